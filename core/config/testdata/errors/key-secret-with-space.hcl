channel "demo" {
  provider = provider.demo
}
key "me" {
  secret = "not a good secret"
}
server {
  address = "0.0.0.0:80"
}
