channel "demo" {
  provider = provider.demo
}
pipeline "a" {
  step "call" { run = provider.adapter }
}
pipeline "b" {
  step "call" { run = provider.adapter }
}
