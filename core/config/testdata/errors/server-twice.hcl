server { region = "a" }
server { region = "b" }
channel "demo" {
  provider = provider.demo
}
