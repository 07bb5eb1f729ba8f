channel "a" {
  provider = provider.demo
  price "*" { input = 1 }
  price "*" { input = 2 }
}
