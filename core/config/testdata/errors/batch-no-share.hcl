channel "demo" { provider = provider.demo }
batch { share = 0 }
