channel "aws" {
  provider = provider.bedrock
  models   = ["anthropic.claude-sonnet-5-v1:0"]
  api_key  = env("TEST_API_KEY")
}

channel "list" {
  provider = provider.bedrock
  region   = "us-east-1"
  api_key  = env("TEST_API_KEY")
}
