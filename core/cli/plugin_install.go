package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/core/router"
	"github.com/smart-ai-router/smartrouter/sdk"
	"github.com/smart-ai-router/smartrouter/sdk/conform"
)

func newPluginInstall() *cobra.Command {
	var p place
	cmd := &cobra.Command{
		Use: "install [FOLDER|PROGRAM]", Short: "Pin what plugins run, in " + config.LockName,
		Long: "Write version and SHA-256 of a plugin's files into " + config.LockName + " beside the configuration.\n" +
			"A file that changed after that is not started. Without an argument all plugins of the configuration\n" +
			"that have a command are pinned. A folder with Go source is built into bin/ beside the configuration.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			i := installer{cmd: cmd, config: p.config}
			return i.run(args)
		},
	}
	p.configFlag(cmd)
	return cmd
}

// installer is one run of the command.
type installer struct {
	cmd    *cobra.Command
	config string
}

func (i *installer) run(args []string) error {
	cfg, err := config.Load(i.config)
	if errors.Is(err, fs.ErrNotExist) && len(args) > 0 {
		cfg, err = &config.Config{}, nil // the block that is missing is printed
	}
	if err != nil {
		return err
	}
	wanted := slices.DeleteFunc(slices.Clone(cfg.Plugins), func(p *config.Plugin) bool { return len(p.Command) == 0 })
	if len(args) > 0 {
		program, err := i.program(args[0])
		if err != nil {
			return err
		}
		wanted = slices.DeleteFunc(wanted, func(p *config.Plugin) bool { return !slices.Contains(p.Files(), program) })
		if len(wanted) == 0 {
			return i.undeclared(cfg, program)
		}
	}
	if len(wanted) == 0 {
		return fmt.Errorf("%s has no plugin with a command, and those of the router's own need no lock", i.config)
	}
	entries, _, err := i.entries(cfg, wanted)
	if err != nil {
		return err
	}
	return i.write(entries)
}

// program is the absolute path of what is to be pinned.
func (i *installer) program(arg string) (string, error) {
	info, err := os.Stat(arg)
	if err != nil {
		return "", err
	}
	if !info.IsDir() {
		return filepath.Abs(arg)
	}
	bin, err := filepath.Abs(filepath.Join(filepath.Dir(i.config), "bin"))
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return "", err
	}
	path, err := conform.Build(i.cmd.Context(), arg, bin)
	if err == nil {
		fmt.Fprintf(i.cmd.OutOrStdout(), "built %s\n", path)
	}
	return path, err
}

// entries are what the lock is to say. Each plugin is started, to say what it is.
func (i *installer) entries(cfg *config.Config, plugins []*config.Plugin) ([]*config.LockedPlugin, []sdk.Manifest, error) {
	asked := make([]*config.Plugin, len(plugins))
	for n, p := range plugins {
		plain := *p
		plain.Lock = nil // it is to be written anew
		asked[n] = &plain
	}
	manifests, errs, err := router.Describe(i.cmd.Context(), asked, self, newLog(cfg.Log, i.cmd.ErrOrStderr()))
	if err := errors.Join(append(errs, err)...); err != nil {
		return nil, nil, err
	}
	entries := make([]*config.LockedPlugin, len(plugins))
	for n, p := range plugins {
		e := &config.LockedPlugin{Kind: p.Kind, Name: p.Name, Version: manifests[n].Version}
		if p.Kind == "" {
			e.Kind, e.Name = manifests[n].Kinds[0], manifests[n].Name
		}
		for _, path := range p.Files() {
			sum, err := config.HashFile(path)
			if err != nil {
				return nil, nil, err
			}
			e.Files = append(e.Files, config.LockedFile{Path: path, SHA256: sum})
		}
		if len(e.Files) == 0 {
			return nil, nil, fmt.Errorf("%s names no file: %q is found through PATH, which may change; write the program's path to pin it", p.Address(), p.Command[0])
		}
		entries[n] = e
	}
	return entries, manifests, nil
}

func (i *installer) write(entries []*config.LockedPlugin) error {
	path := config.LockPath(i.config)
	lock, err := config.ReadLock(path)
	if err != nil {
		return err
	}
	if lock == nil {
		lock = &config.Lock{}
	}
	out := i.cmd.OutOrStdout()
	for _, e := range entries {
		old := lock.Find(e.Kind, e.Name)
		fmt.Fprintf(out, "plugin.%s.%s %s\n", e.Kind, e.Name, e.Version)
		for _, f := range e.Files {
			fmt.Fprintf(out, "  %s  sha256 %s  %s\n", shortPath(f.Path), f.SHA256, since(old.SHA256(f.Path), f.SHA256))
		}
		lock.Set(e)
	}
	if err := lock.Write(path); err != nil {
		return err
	}
	fmt.Fprintf(out, "pinned in %s; smartrouter reload has a running router take it\n", path)
	return nil
}

func since(before, now string) string {
	switch before {
	case "":
		return "new"
	case now:
		return "as before"
	default:
		return "changed"
	}
}

// undeclared pins a program that no plugin block names yet, and prints one.
func (i *installer) undeclared(cfg *config.Config, program string) error {
	entries, manifests, err := i.entries(cfg, []*config.Plugin{bare(program)})
	if err != nil {
		return err
	}
	if err := i.write(entries); err != nil {
		return err
	}
	fmt.Fprintf(i.cmd.OutOrStdout(), "\n%s names it nowhere yet. Add:\n\n%s", i.config, blockOf(manifests[0], "", shortPath(program)))
	return nil
}

// bare is a plugin of which only the program is known.
func bare(command ...string) *config.Plugin {
	p := config.Defaults.Plugin
	p.Name, p.Command = filepath.Base(command[0]), command
	return &p
}

// blockOf is the HCL that declares a plugin: one of ours by use, or a command.
func blockOf(m sdk.Manifest, use string, command ...string) string {
	var b strings.Builder
	name, runs := m.Name, "use = plugin."+use
	if use == "" {
		words := make([]string, len(command))
		for n, w := range command {
			words[n] = fmt.Sprintf("%q", w)
			if n == 0 && !filepath.IsAbs(w) {
				words[n] = fmt.Sprintf("%q", "./"+strings.TrimPrefix(w, "./"))
			}
		}
		runs = "command = [" + strings.Join(words, ", ") + "]"
	} else {
		name = "mine"
	}
	fmt.Fprintf(&b, "plugin %q %q {\n  %s\n", string(m.Kinds[0]), name, runs)
	if len(m.Needs) > 0 && use == "" {
		fmt.Fprintf(&b, "  grants = [%s]\n", quotedList(m.Needs))
	}
	if len(m.Fields) > 0 {
		fmt.Fprintf(&b, "  config {\n%s  }\n", sdk.ExampleConfig(m.Fields, "    "))
	}
	b.WriteString("}\n")
	if formatted, err := config.Format([]byte(b.String())); err == nil {
		return string(formatted)
	}
	return b.String()
}

func quotedList(words []string) string {
	q := make([]string, len(words))
	for n, w := range words {
		q[n] = fmt.Sprintf("%q", w)
	}
	return strings.Join(q, ", ")
}

// shortPath is a path from here where it is below here.
func shortPath(path string) string {
	here, err := os.Getwd()
	if err != nil {
		return path
	}
	if below, err := filepath.Rel(here, path); err == nil && filepath.IsLocal(below) {
		return below
	}
	return path
}

func newPluginVerify() *cobra.Command {
	var p place
	cmd := &cobra.Command{
		Use: "verify", Short: "Compare what plugins run with " + config.LockName, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := p.load()
			if err != nil {
				return err
			}
			lock, err := config.ReadLock(config.LockPath(p.config))
			if err != nil {
				return err
			}
			if lock == nil {
				return fmt.Errorf("there is no %s; smartrouter plugin install writes it", config.LockPath(p.config))
			}
			if wrong := verify(cmd.OutOrStdout(), cfg, lock); wrong > 0 {
				return fmt.Errorf("%d are not as installed; if that is wanted: smartrouter plugin install", wrong)
			}
			return nil
		},
	}
	p.configFlag(cmd)
	return cmd
}

// verify prints a line for each file and answers how many are not as installed.
func verify(w io.Writer, cfg *config.Config, lock *config.Lock) (wrong int) {
	say := func(ok bool, who, what string) {
		mark := "ok  "
		if !ok {
			mark = "FAIL"
			wrong++
		}
		fmt.Fprintf(w, "%s  %s  %s\n", mark, who, what)
	}
	declared := make(map[*config.LockedPlugin]bool)
	for _, p := range cfg.Plugins {
		if len(p.Command) == 0 {
			continue
		}
		e := lock.Find(p.Kind, p.Name)
		if e == nil {
			say(false, p.Address(), "is not pinned")
			continue
		}
		declared[e] = true
		for _, f := range e.Files {
			state := fileState(f)
			say(state == asInstalled, p.Address(), shortPath(f.Path)+": "+state)
		}
		for _, path := range p.Files() {
			if e.SHA256(path) == "" {
				say(false, p.Address(), shortPath(path)+": is not pinned")
			}
		}
	}
	for _, e := range lock.Plugins {
		if !declared[e] {
			fmt.Fprintf(w, "note  plugin.%s.%s  is pinned, and used by nothing\n", e.Kind, e.Name)
		}
	}
	return wrong
}

const asInstalled = "as installed"

func fileState(f config.LockedFile) string {
	sum, err := config.HashFile(f.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "is not there"
	case err != nil:
		return err.Error()
	case sum != f.SHA256:
		return "has changed: its sha256 is " + sum
	default:
		return asInstalled
	}
}
