channel "demo" {
  provider = provider.demo
}
key "me" {
  digest = "sha256:9f2c"
}
