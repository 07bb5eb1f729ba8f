channel "both" {
  provider = provider.vllm
  api_key  = "k"
  aws {
    access_key_id     = "AKIDEXAMPLE"
    secret_access_key = "never:shown"
    session_token     = 1
  }
}

channel "half" {
  provider = provider.vllm
  aws {
    access_key_id = "AKIDEXAMPLE"
    region        = "us-east-1"
  }
}
