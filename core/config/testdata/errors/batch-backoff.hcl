channel "demo" { provider = provider.demo }
batch {
  backoff = "2m"
}
