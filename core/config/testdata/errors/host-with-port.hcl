channel "demo" {
  provider = provider.demo
}
server {
  hosts = ["llm.example.com:443"]
}
