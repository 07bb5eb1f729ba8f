channel "demo" {
  provider = provider.demo
}
pipeline "main line" {
  step "call" { run = provider.adapter }
}
