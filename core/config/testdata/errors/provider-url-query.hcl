provider "x" {
  base_url = "https://x.example/v1?key=1"
}
channel "demo" {
  provider = provider.demo
}
