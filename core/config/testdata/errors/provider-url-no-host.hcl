provider "x" {
  base_url = "https:///v1"
}
channel "demo" {
  provider = provider.demo
}
