channel "a" {
  tags = ["x"]
}
