provider "x" {
  base_url = "https://x.example:port/v1"
}
channel "demo" {
  provider = provider.demo
}
