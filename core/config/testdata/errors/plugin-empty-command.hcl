channel "demo" {
  provider = provider.demo
}
plugin "selector" "mine" {
  command = []
}
