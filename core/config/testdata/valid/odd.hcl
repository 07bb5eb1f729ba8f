# What is allowed, and looks as if it were not.
server {
  address = "localhost:0"
  hosts   = ["192.0.2.1", "llm.example.com"]
}

admin { address = "" }

# Short, and not in any message.
key "me" { secret = "abc" }

channel "v6" {
  provider = provider.vllm
  base_url = "http://[::1]:8000/v1/"
  api_key  = "none-of-your-business"
}

# A list from an expression has no element of its own to point at.
channel "listed" {
  provider = provider.demo
  models   = [for m in ["a", "b"] : "model-${m}"]
  enabled  = 1 < 2
}

provider "empty" {
  adapter = plugin.adapter.mine
}

plugin "adapter" "mine" {
  command = ["/opt/adapters/mine"]
}

channel "adapted" {
  provider = provider.empty
}

# Keys that are not temporary have no token.
channel "signed" {
  provider = provider.vllm
  aws {
    access_key_id     = env("TEST_API_KEY")
    secret_access_key = "never-shown"
    session_token     = env("TEST_UNSET")
  }
}

channel "unsigned" {
  provider = provider.vllm
  aws {
    access_key_id     = env("TEST_UNSET")
    secret_access_key = env("TEST_EMPTY")
  }
}
