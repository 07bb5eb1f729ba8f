channel "a" {
  provider = provider.opnai
}
