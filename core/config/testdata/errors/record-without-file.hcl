channel "demo" { provider = provider.demo }

record {
  sample = 1.5
}
