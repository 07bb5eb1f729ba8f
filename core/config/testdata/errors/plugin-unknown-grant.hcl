channel "demo" {
  provider = provider.demo
}
plugin "prober" "models" {
  grants = ["billed_cals"]
}
