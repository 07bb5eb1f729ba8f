provider "x" {
  base_url = "https://me:pw@x.example/v1"
}
channel "demo" {
  provider = provider.demo
}
