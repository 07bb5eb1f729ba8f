plugin "selector" "mine" {
  version = 
}
