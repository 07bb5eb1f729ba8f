channel "demo" { provider = provider.demo }
plugin "selector" "smart" {
  user = "nobody"
}
