channel "a" {
  provider = 5
}
