plugin "selector" "mine" {
  version = "1.0.0"
  file "bin/mine" {
    sha256 = "9f2c"
  }
  file "bin/other" {
  }
}
