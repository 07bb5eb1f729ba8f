channel "openai" {
  provider = provider.openai
  api_key  = env("OPENAI_API_KEY")
}

channel "many" {
  provider = provider.openrouter
  api_keys = split(",", env("MANY_KEYS"))
}

plugin "selector" "unused" {
  use = plugin.selector.smart
}

provider "unused" {
  base_url = "https://llm.example.com/v1"
}
