channel "demo" { provider = provider.demo }

fetch {
  types   = ["image/*", "image/png"]
  timeout = "0s"
  hosts   = ["http://files.internal/"]
}
