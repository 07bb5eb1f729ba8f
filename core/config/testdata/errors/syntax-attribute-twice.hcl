server {
  region = "a"
  region = "b"
}
channel "demo" {
  provider = provider.demo
}
