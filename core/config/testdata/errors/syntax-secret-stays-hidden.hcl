channel "a" {
  api_key = "sk-very-secret" oops
}
