provider "x" {
  base_url = "https://x.example/v1"
}
provider "x" {
  base_url = "https://y.example/v1"
}
channel "demo" {
  provider = provider.demo
}
