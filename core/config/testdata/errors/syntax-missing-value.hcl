server {
  address =
}
channel "demo" {
  provider = provider.demo
}
