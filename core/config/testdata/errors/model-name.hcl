channel "demo" {
  provider = provider.demo
}
model "my model" {
  any = ["x"]
}
