channel "a" {
  provider = provider.demo
  price "*" { input = -1 }
}
