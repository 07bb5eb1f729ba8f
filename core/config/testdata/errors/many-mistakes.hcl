server {
  address = "0.0.0.0"
  max_body = 5
}

channel "openai" {
  provider = "openai"
  api_key  = env("OPENAI_API_KEY")
  weigth   = 2
}

pipeline "default" {
  step "choose" {
    run     = plugin.selector.smart
    timeout = 20
    top     = 3
  }
}

route "chat" {
  pipeline = pipeline.main
}
