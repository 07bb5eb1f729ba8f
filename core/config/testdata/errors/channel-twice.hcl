channel "demo" {
  provider = provider.demo
}
channel "demo" {
  provider = provider.ollama
}
