channel "a" {
  provider = plugin.adapter.openai
}
