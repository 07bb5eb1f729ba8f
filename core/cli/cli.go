// Package cli is the command line: one file per command, named after it.
//
//	cli.go       Main: the root command, signals, exit codes
//	serve.go     the router itself, sink.go: its log
//	config.go    validate and fmt; plan.go and reload.go: another configuration
//	explain.go   what would become of a request; replay.go: of recorded ones
//	key.go       an API key for a client
//	status.go, stats.go, channels.go, ban.go, cache.go
//	             a running router as its operator sees it
//	batch.go     files of requests, progress.go: how far they are
//	plugin.go    the commands about plugins; plugin_<command>.go: each of them,
//	             plugin_conform.go: test, plugin_order.go: reload, quarantine
//
// What they share:
//
//	operator.go  how a running router is asked
//	program.go   a plugin's program, from arguments
//	pages.go     what the router and our plugins do for a small memory
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/cobra"

	"github.com/smart-ai-router/smartrouter/core/config"
)

// Version is set by the linker for releases.
var Version = ""

// Main runs the command line and answers its exit code.
func Main(args []string, stdout, stderr io.Writer) int {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	defer signal.Stop(signals)
	go func() {
		// The first signal asks; the second does not, however soon it comes.
		<-signals
		cancel()
		again := <-signals
		signal.Reset(again)
		_ = syscall.Kill(os.Getpid(), again.(syscall.Signal)) // ends this very process
	}()
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	var code exitCode
	if errors.As(err, &code) {
		return code.code
	}
	var told alreadyTold
	if !errors.As(err, &told) {
		fmt.Fprintln(stderr, "smartrouter:", strings.TrimRight(err.Error(), "\n"))
	}
	return 1
}

// exitCode ends the command with a code of its own, and no message.
type exitCode struct {
	error
	code int
}

// alreadyTold is a failure that the command has printed itself.
type alreadyTold struct{ error }

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "smartrouter",
		Short: "One OpenAI endpoint in front of many accounts; every decision in a plugin of its own",
		Long: "smartrouter is an OpenAI-compatible endpoint in front of many upstream accounts.\n" +
			"A pipeline in router.hcl says how each request is decided; every step is a plugin process.",
		SilenceUsage: true, SilenceErrors: true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
		Version:           version(),
	}
	root.SetVersionTemplate("smartrouter {{.Version}}\n")
	root.AddCommand(newServe(), newReload(), newPlan(), newValidate(), newFmt(), newExplain(), newStatus(), newStats(), newReplay(), newCache(), newChannels(), newBan(), newUnban(), newBatch(), newKey(), newPlugin())
	return root
}

func version() string {
	if Version != "" {
		return Version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

// place is where the configuration and the data are; most commands need both.
type place struct{ config, data string }

func (p *place) flags(cmd *cobra.Command) {
	p.configFlag(cmd)
	cmd.Flags().StringVar(&p.data, "data-dir", "data", "the `folder` of what outlives the router")
}

func (p *place) configFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&p.config, "config", "router.hcl", "the configuration `file`")
}

func (p *place) load() (*config.Config, error) { return config.Load(p.config) }

// self is how first-party plugins are started: this very file, also after it
// was replaced on disk.
var self = []string{"/proc/self/exe", "plugin", "serve"}

func newLog(cfg config.Log, out io.Writer) hclog.Logger {
	return hclog.New(&hclog.LoggerOptions{
		Name: "smartrouter", Level: hclog.LevelFromString(cfg.Level), JSONFormat: cfg.JSON, Output: out,
	})
}

// input opens a file, or standard input for "-".
func input(cmd *cobra.Command, name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(cmd.InOrStdin())
	}
	return os.ReadFile(name)
}
