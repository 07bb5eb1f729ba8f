package catalog

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	goplugin "github.com/hashicorp/go-plugin"

	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// inherited are the only variables of the router's environment that plugins
// get. None holds a secret; a program needs them to find its interpreter, its
// time zone and the certificates of a company.
var inherited = []string{"PATH", "LANG", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR"}

// program is what is executed for a plugin.
type program struct {
	name string // for messages
	path string
	args []string // with the program itself first
	dir  string   // empty: the router's
	env  []string
	// file is the program, where it was hashed: path refers to it.
	file *os.File
}

func (p *program) close() {
	if p.file != nil {
		_ = p.file.Close()
	}
}

// newProgram finds the plugin's program and checks its checksum. The bytes
// that are hashed are those that are executed: both go through one open file,
// so that neither a link nor a rename comes between.
func newProgram(self []string, p *config.Plugin) (*program, error) {
	if len(p.Command) == 0 {
		args := append(slices.Clone(self), string(p.Kind)+"/"+p.Builtin)
		args[0] = os.Args[0] // /proc/self/exe says little in a list of processes
		return &program{name: p.Builtin, path: self[0], args: args}, nil
	}

	path, err := exec.LookPath(p.Command[0])
	if err != nil {
		var lookup *exec.Error
		if errors.As(err, &lookup) {
			err = lookup.Err
		}
		var pathErr *fs.PathError
		if errors.As(err, &pathErr) {
			err = pathErr.Err
		}
		return nil, fmt.Errorf("program %s: %w", p.Command[0], err)
	}
	prog := &program{name: path, path: path, args: p.Command}
	if p.SHA256 == "" {
		return prog, nil
	}
	prog.file, err = openChecked(path, p.SHA256)
	if err != nil {
		return nil, fmt.Errorf("program %s: %w", path, err)
	}
	prog.path = "/proc/self/fd/" + strconv.Itoa(programFD)
	return prog, nil
}

// openChecked opens a file whose bytes have the checksum.
func openChecked(path, want string) (_ *os.File, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o002 != 0 {
		return nil, errors.New("anyone may write to it, so its checksum means nothing; remedy: chmod o-w")
	}
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return nil, err
	}
	got := hex.EncodeToString(h.Sum(nil))
	if subtle.ConstantTimeCompare([]byte(got), []byte(strings.ToLower(want))) == 0 {
		return nil, fmt.Errorf("its sha256 is %s, not %s as configured; it was not started", got, want)
	}
	return f, nil
}

// environment is the whole of what a plugin gets: go-plugin's variables, ours,
// the user's, and the inherited ones. The user's win over the inherited, ours
// over all.
func environment(p *config.Plugin, goPlugin []string, level, folder string) []string {
	env := make(map[string]string)
	for _, name := range inherited {
		if v, ok := os.LookupEnv(name); ok {
			env[name] = v
		}
	}
	for name, v := range p.Env {
		env[name] = v
	}
	for _, kv := range goPlugin {
		name, v, _ := strings.Cut(kv, "=")
		env[name] = v
	}
	env[goplugin.EnvUnixSocketDir] = folder
	env[sdk.EnvLifeline] = strconv.Itoa(lifelineFD)
	env[sdk.EnvLogLevel] = level

	list := make([]string, 0, len(env))
	for name, v := range env {
		list = append(list, name+"="+v)
	}
	slices.Sort(list)
	return list
}

// identity changes when another program would be executed: with the command,
// and with each file that it names. A plugin that was built anew is thereby
// taken at the next reload.
func identity(p *config.Plugin) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%q %q %q %q %q %q", p.Kind, p.Builtin, p.Command, strings.ToLower(p.SHA256), map[string]string(p.Env), p.Grants)
	for _, arg := range p.Command {
		if !strings.ContainsRune(arg, filepath.Separator) {
			continue
		}
		if info, err := os.Stat(arg); err == nil && info.Mode().IsRegular() {
			fmt.Fprintf(&b, " %d@%d", info.Size(), info.ModTime().UnixNano())
		}
	}
	return b.String()
}
