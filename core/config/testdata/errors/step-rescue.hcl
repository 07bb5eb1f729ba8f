channel "a" {
  provider = provider.openai
  api_key  = env("TEST_API_KEY")
}

pipeline "default" {
  step "call" {
    run            = provider.adapter
    rescue         = "verfy"
    rescue_timeout = "0s"
  }
}
