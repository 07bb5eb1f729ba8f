channel "demo" {
  provider = provider.demo
}
server {
  origins = ["https://app.example.com/"]
}
