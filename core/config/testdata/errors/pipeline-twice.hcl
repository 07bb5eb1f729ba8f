channel "demo" {
  provider = provider.demo
}

pipeline "default" {

  step "call" { run = provider.adapter }
}
pipeline "default" {
  step "call" { run = provider.adapter }
}
