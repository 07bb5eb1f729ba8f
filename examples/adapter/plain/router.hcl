# A provider that speaks plain text, in a format of its own.
#
#   go build -o plain . && smartrouter serve

plugin "adapter" "plain" {
  command = ["./plain"]
  grants  = ["prompt"] # it translates what is said, so it sees it
}

provider "plain" {
  base_url  = env("PLAIN_URL", "http://127.0.0.1:9000")
  adapter   = plugin.adapter.plain
  no_models = true
}

channel "plain" {
  provider = provider.plain
  models   = ["plain"]
}
