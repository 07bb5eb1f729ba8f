package config

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"

	"github.com/smart-ai-router/smartrouter/sdk"
)

// LockName is the lock's file, beside the configuration.
const LockName = "plugins.lock.hcl"

// LockPath is the lock that belongs to a configuration.
func LockPath(config string) string { return filepath.Join(filepath.Dir(config), LockName) }

// Lock says of third parties' plugins which files they run. `smartrouter
// plugin install` writes it.
type Lock struct {
	Plugins []*LockedPlugin
}

// LockedPlugin is what one plugin was when it was installed.
type LockedPlugin struct {
	Kind    sdk.Kind
	Name    string
	Version string
	Files   []LockedFile
}

// LockedFile is one file that the plugin's command names.
type LockedFile struct {
	Path   string // absolute
	SHA256 string // in hex
}

// Find is a plugin's entry; nil: it has none.
func (l *Lock) Find(kind sdk.Kind, name string) *LockedPlugin {
	if l == nil {
		return nil
	}
	i := slices.IndexFunc(l.Plugins, func(p *LockedPlugin) bool { return p.Kind == kind && p.Name == name })
	if i < 0 {
		return nil
	}
	return l.Plugins[i]
}

// Set puts an entry in, in the place of one for the same plugin.
func (l *Lock) Set(p *LockedPlugin) {
	l.Plugins = slices.DeleteFunc(l.Plugins, func(old *LockedPlugin) bool { return old.Kind == p.Kind && old.Name == p.Name })
	l.Plugins = append(l.Plugins, p)
	slices.SortFunc(l.Plugins, func(a, b *LockedPlugin) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
	})
}

// SHA256 is that of a file as it was installed; empty: it is not pinned.
func (p *LockedPlugin) SHA256(path string) string {
	if p == nil {
		return ""
	}
	for _, f := range p.Files {
		if f.Path == path {
			return f.SHA256
		}
	}
	return ""
}

// Files are those that the command names by a path, absolute. A program that is
// found through PATH, such as an interpreter, is the system's.
func (p *Plugin) Files() []string {
	var files []string
	for _, arg := range p.Command {
		if !strings.ContainsRune(arg, filepath.Separator) {
			continue
		}
		path, err := filepath.Abs(arg)
		if err != nil {
			continue
		}
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && !slices.Contains(files, path) {
			files = append(files, path)
		}
	}
	return files
}

// HashFile is a file's SHA-256 in hex.
func HashFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// ReadLock reads a lock. One that is not there is empty; mistakes in it are
// [Diagnostics].
func ReadLock(path string) (*Lock, error) {
	src, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	return parseLock(path, src, dir)
}

func parseLock(name string, src []byte, dir string) (*Lock, error) {
	f := newFile(name, src)
	body, mistakes := parse(f)
	if err := mistakes.err(); err != nil {
		return nil, err
	}
	r := &reader{eval: &hcl.EvalContext{}}
	top := r.top(f, body)
	lock, seen := &Lock{}, table[*LockedPlugin]{}
	for _, b := range top.nested("plugin", "kind", "name") {
		p := &LockedPlugin{Kind: sdk.Kind(b.labels[0]), Name: b.name()}
		if !slices.Contains(sdk.Kinds, p.Kind) {
			b.mistakef(b.head, didYouMean(b.labels[0], kindNames(), quoted), "unknown kind of plugin %q", b.labels[0])
		}
		b.required("version", `"1.0.0"`)
		b.text("version", &p.Version)
		for _, fb := range b.nested("file", "path") {
			file := LockedFile{Path: fb.name()}
			if !filepath.IsAbs(file.Path) {
				file.Path = filepath.Join(dir, file.Path)
			}
			fb.required("sha256", `"..."`)
			fb.text("sha256", &file.SHA256, digest)
			fb.done()
			if p.SHA256(file.Path) != "" {
				fb.mistakef(fb.head, "remove one", "the file is there twice")
			}
			p.Files = append(p.Files, file)
		}
		if len(p.Files) == 0 {
			b.mistakef(b.head, "run smartrouter plugin install", "%s pins no file", b)
		}
		b.done()
		seen.declare(b.labels[0]+"."+b.name(), b, p)
		lock.Plugins = append(lock.Plugins, p)
	}
	top.done()
	if err := r.mistakes.err(); err != nil {
		return nil, err
	}
	return lock, nil
}

const lockHeader = `# What the plugins of router.hcl run, as it was installed. A file that changed is
# not started. Written by smartrouter plugin install; keep it with router.hcl.
`

// Write writes the lock to a file, whole or not at all. Files below its folder
// are named from there.
func (l *Lock) Write(path string) error {
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return err
	}
	out := hclwrite.NewEmptyFile()
	for _, p := range l.Plugins {
		out.Body().AppendNewline()
		body := out.Body().AppendNewBlock("plugin", []string{string(p.Kind), p.Name}).Body()
		body.SetAttributeValue("version", cty.StringVal(p.Version))
		for _, f := range p.Files {
			name := f.Path
			if below, err := filepath.Rel(dir, f.Path); err == nil && filepath.IsLocal(below) {
				name = below
			}
			body.AppendNewBlock("file", []string{name}).Body().SetAttributeValue("sha256", cty.StringVal(f.SHA256))
		}
	}
	tmp, err := os.CreateTemp(dir, "."+LockName+"-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(append([]byte(lockHeader), hclwrite.Format(out.Bytes())...))
	err = errors.Join(err, tmp.Chmod(0o644), tmp.Sync(), tmp.Close())
	if err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}

// withLock makes plugins run only what is in the lock.
func withLock(lock *Lock) Option {
	return func(o *options) { o.lock = lock }
}

// applyLock gives each plugin its entry. One in use without an entry is told
// of: a lock that leaves a plugin out looks as if it held all of them.
func (l *loader) applyLock(lock *Lock) {
	if lock == nil {
		return
	}
	for _, e := range l.plugins {
		p := e.value
		if len(p.Command) == 0 {
			continue
		}
		if p.Lock = lock.Find(p.Kind, p.Name); p.Lock == nil && slices.Contains(l.cfg.Plugins, p) {
			e.block.warnf(e.block.head, "pin it: smartrouter plugin install", "%s is not in %s", e.block, LockName)
		}
	}
}
