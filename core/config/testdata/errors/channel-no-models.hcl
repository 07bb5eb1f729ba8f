provider "x" {
  base_url  = "https://x.example/v1"
  no_models = true
}
channel "x" {
  provider = provider.x
}
