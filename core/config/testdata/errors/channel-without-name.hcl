channel {
  provider = provider.demo
}
