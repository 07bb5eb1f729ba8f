provider "x" {
  base_url = "x.example/v1"
}
channel "demo" {
  provider = provider.demo
}
