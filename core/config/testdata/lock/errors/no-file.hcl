plugin "selector" "mine" {
  version = "1.0.0"
}
