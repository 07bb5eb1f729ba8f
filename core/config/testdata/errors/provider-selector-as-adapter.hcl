provider "x" {
  base_url = "https://x.example/v1"
  adapter  = plugin.selector.smart
}
channel "demo" {
  provider = provider.demo
}
