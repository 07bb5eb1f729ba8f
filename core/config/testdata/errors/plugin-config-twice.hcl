channel "demo" {
  provider = provider.demo
}
plugin "selector" "smart" {
  config {}
  config {}
}
