telemetry {
  protocol = "grpc"
}

channel "demo" {
  provider = provider.demo
}
