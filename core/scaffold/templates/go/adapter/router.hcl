# A router with the adapter plugin-name. It answers without any account:
#
#   smartrouter plugin dev .

plugin "adapter" "plugin-name" {
  command = ["./plugin-name"]
  config {
    max_tokens = 4096
  }
}

provider "plugin-name" {
  # Put your provider's address here. Until then the router's own takes its
  # place: what this channel is asked for is answered by the channel demo.
  base_url = env("PROVIDER_URL", "http://127.0.0.1:7601/v1")
  adapter  = plugin.adapter.plugin-name
}

channel "plugin-name" {
  provider = provider.plugin-name
  api_key  = env("PROVIDER_KEY", "sk-example")
  models   = ["plugin-name"]
  aliases  = { plugin-name = "demo" } # what clients say = the provider's name
}

channel "demo" {
  provider = provider.demo
}
