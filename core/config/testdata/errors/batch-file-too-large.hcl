channel "demo" { provider = provider.demo }
batch {
  max_stored = "1MiB"
}
