channel "a" {
  provider = provider.demo
  price "*" { output = 1 }
}
