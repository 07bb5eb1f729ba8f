channel "demo" {
  provider = provider.demo
}
key "me" {
  secret = env("MY_KEY")
}
