channel "a" {
  provider = provider.azure-openai
  base_url = "https://name.openai.azure.com/openai/v1"
  api_key  = env("AZURE_KEY")
}
