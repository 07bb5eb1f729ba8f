channel "demo" { provider = provider.demo }

record {
  file       = ""
  max_prompt = "1MiB"
}
