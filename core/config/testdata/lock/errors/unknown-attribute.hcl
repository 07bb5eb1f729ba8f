plugins "selector" "mine" {
}
plugin "selector" "mine" {
  verson = "1.0.0"
  file "bin/mine" {
    sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
    size   = 5
  }
}
