provider "x" {
  base_url      = "https://x.example/v1"
  public_models = true
  no_models     = true
}
channel "demo" {
  provider = provider.demo
}
