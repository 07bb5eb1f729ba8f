channel "a" {
	provider = provider.demo
	tags     = ["größe", "zu groß"]
}
