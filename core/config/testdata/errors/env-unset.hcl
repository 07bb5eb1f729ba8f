channel "demo" {
  provider = provider.demo
}
server {
  address = env("LISTEN")
}
