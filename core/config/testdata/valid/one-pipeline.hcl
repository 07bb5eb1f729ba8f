channel "azure" {
  provider = provider.azure-openai
  base_url = "https://name.openai.azure.com/openai"
  api_key  = trimspace(file("testdata/key.txt"))
  models   = ["gpt-4o"]
  settings = { api_version = "2024-10-21" }
}

# The only one, so the default route takes it.
pipeline "bare" {
  step "call" { run = provider.adapter }
}
