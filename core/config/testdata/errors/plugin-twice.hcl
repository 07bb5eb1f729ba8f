channel "demo" {
  provider = provider.demo
}
plugin "selector" "mine" {
  command = ["./a"]
}
plugin "selector" "mine" {
  command = ["./b"]
}
