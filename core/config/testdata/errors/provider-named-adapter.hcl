provider "adapter" {
  base_url = "https://x.example/v1"
}
channel "demo" {
  provider = provider.demo
}
