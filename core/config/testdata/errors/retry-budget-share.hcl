channel "demo" { provider = provider.demo }

retry_budget {
  share = 20
}
