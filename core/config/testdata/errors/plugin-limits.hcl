channel "demo" { provider = provider.demo }
plugins {
  nice = 20
}
plugin "selector" "smart" {
  open_files = 10
  memory     = "-1MiB"
}
