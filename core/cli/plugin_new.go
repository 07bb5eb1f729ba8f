package cli

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/smart-ai-router/smartrouter/core/scaffold"
	"github.com/smart-ai-router/smartrouter/sdk"
)

func newPluginNew() *cobra.Command {
	var p scaffold.Project
	var source string
	cmd := &cobra.Command{
		Use:   "new KIND NAME",
		Short: "Write a small complete project of a plugin: it builds, passes its test and runs as it is",
		Long: "Write a small complete project of a plugin: it builds, passes its test and runs as it is.\n\n" +
			"The kinds are " + commas(sdk.Kinds) + ".",
		Example: "  smartrouter plugin new selector mine\n" +
			"  smartrouter plugin new prechecker mine --lang node",
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			p.Kind, p.Name = sdk.Kind(args[0]), args[1]
			if p.Dir == "" {
				p.Dir = p.Name
			}
			against := scaffold.SDK{Source: source}
			if p.Language == "go" && source == "" {
				var err error
				if against, err = ownSDK(p.Dir); err != nil {
					return err
				}
			}
			files, err := p.Write()
			if err != nil {
				return err
			}
			if p.Language == "go" {
				if err := p.Module(cmd.Context(), against); err != nil {
					return err
				}
			}
			tellNew(cmd.OutOrStdout(), &p, files)
			return nil
		},
	}
	cmd.Flags().StringVar(&p.Language, "lang", "go", "the `language`: "+strings.Join(scaffold.Languages, " or "))
	cmd.Flags().StringVar(&p.Dir, "dir", "", "the `folder` of the project; the plugin's name by default")
	cmd.Flags().StringVar(&source, "sdk", "", "build against the router's source in this `folder`, instead of a release")
	return cmd
}

// ownSDK is what this program was built from: a release, or the source that it,
// the project or the present folder is in.
func ownSDK(project string) (scaffold.SDK, error) {
	if v := version(); scaffold.IsRelease(v) {
		return scaffold.SDK{Version: v}, nil
	}
	var places []string
	if exe, err := os.Executable(); err == nil {
		places = append(places, filepath.Dir(exe))
	}
	if _, file, _, ok := runtime.Caller(0); ok && filepath.IsAbs(file) { // not so with -trimpath
		places = append(places, filepath.Dir(file))
	}
	source, err := scaffold.FindSource(append(places, project, ".")...)
	return scaffold.SDK{Source: source}, err
}

// tellNew says what was written and what to do with it.
func tellNew(w io.Writer, p *scaffold.Project, files []string) {
	fmt.Fprintf(w, "%s: a %s in %s\n  %s\n\n  cd %s\n", p.Dir, p.Kind, p.Language, strings.Join(files, "  "), p.Dir)
	steps := [][2]string{
		{"go test .", "asks the plugin over RPC, as the router does"},
		{"smartrouter plugin dev .", "runs a router with it, and swaps the plugin when you save"},
	}
	if p.Language == "node" {
		steps[0] = [2]string{"npm install && npm test", steps[0][1]}
	}
	for _, s := range steps {
		fmt.Fprintf(w, "  %-26s # %s\n", s[0], s[1])
	}
}

func newPluginProto() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use: "proto", Short: "Write the .proto files of the contract, for plugins in other languages", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			files, err := scaffold.WriteContract(dir)
			if err != nil {
				return err
			}
			for _, f := range files {
				fmt.Fprintln(cmd.OutOrStdout(), filepath.Join(dir, f))
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "proto", "the `folder` to write below, which is the one to give a compiler")
	return cmd
}
