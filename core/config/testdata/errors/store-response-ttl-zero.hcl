# A response id that is forgotten at once could not be used.
channel "demo" { provider = provider.demo }

store {
  response_ttl = "0s"
}
