channel "a" {
  provider = provider.demo
  weight = 1e999
  priority = 5000000000
  max_in_flight = 1e30
}
