channel "demo" {
  provider = provider.demo
}
server {
  address = "127.0.0.1:${env("PORT")}"
}
