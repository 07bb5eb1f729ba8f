// Command smartrouter is an OpenAI-compatible endpoint in front of many
// accounts, with every decision in a plugin process. See README.md.
package main

import (
	"os"

	"github.com/smart-ai-router/smartrouter/core/cli"
)

func main() { os.Exit(cli.Main(os.Args[1:], os.Stdout, os.Stderr)) }
