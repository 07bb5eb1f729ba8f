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
	"slices"
	"strconv"
	"strings"

	goplugin "github.com/hashicorp/go-plugin"

	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/sdk"
	"github.com/smart-ai-router/smartrouter/sdk/host"
)

// program is what is executed for a plugin.
type program struct {
	name string // for messages
	path string
	args []string // with the program itself first
	dir  string   // empty: the router's
	env  []string
	// file is the program, where it was hashed or another user runs it, who may
	// not reach it by its path: path refers to it.
	file *os.File
	// home is the plugin's data folder, for the same reason.
	home   *os.File
	user   *user // nil: the router's
	limits config.Limits
	// foreign: it is a third party's. folder is where its sockets are.
	foreign bool
	folder  string
}

func (p *program) close() {
	for _, f := range []*os.File{p.file, p.home} {
		if f != nil {
			_ = f.Close()
		}
	}
}

// newProgram finds the plugin's program and checks its files against their
// checksums. The bytes of the program that are hashed are those that are
// executed: both go through one open file, so that neither a link nor a rename
// comes between. Of a script that an interpreter reads, that can't be said.
func newProgram(self []string, p *config.Plugin, as *user) (*program, error) {
	if len(p.Command) == 0 {
		path, args := ours(self, string(p.Kind)+"/"+p.Builtin)
		return &program{name: p.Builtin, path: path, args: args, limits: p.Limits}, nil
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
	prog := &program{name: path, path: path, args: p.Command, user: as, limits: p.Limits, foreign: true}
	if err := checkOthers(p, path); err != nil {
		return nil, err
	}
	locked := pin{sha256: p.Lock.SHA256(path), lock: true}
	switch {
	case p.SHA256 != "":
		prog.file, err = openChecked(path, pin{sha256: p.SHA256})
		if err == nil && locked.sha256 != "" && locked.sha256 != strings.ToLower(p.SHA256) {
			prog.close()
			err = locked.refuse(p.SHA256)
		}
	case locked.sha256 != "":
		prog.file, err = openChecked(path, locked)
	case p.Lock != nil && slices.Contains(p.Files(), path):
		err = fmt.Errorf("it is not in %s, other files of the plugin are; %s", config.LockName, installRemedy)
	case !as.reaches(path): // a script is reached, see closedTo
		prog.file, err = os.Open(path)
	default:
		return prog, nil
	}
	if err != nil {
		return nil, fmt.Errorf("program %s: %w", path, err)
	}
	prog.path = "/proc/self/fd/" + strconv.Itoa(programFD)
	return prog, nil
}

// ours is the command by which this program takes a role, see [Options].Self.
func ours(self []string, role string) (path string, args []string) {
	args = append(slices.Clone(self), role)
	args[0] = os.Args[0] // /proc/self/exe says little in a list of processes
	return self[0], args
}

// pin is the checksum that a file has to have, by sha256 in the configuration
// or by the lock.
type pin struct {
	sha256 string
	lock   bool
}

const installRemedy = "if that is wanted: smartrouter plugin install"

func (p pin) refuse(got string) error {
	if p.lock {
		return fmt.Errorf("its sha256 is %s, not %s as in %s; it was not started; %s", got, p.sha256, config.LockName, installRemedy)
	}
	return fmt.Errorf("its sha256 is %s, not %s as configured; it was not started", got, p.sha256)
}

// checkOthers checks what the command names besides the program.
func checkOthers(p *config.Plugin, program string) error {
	if p.Lock == nil {
		return nil
	}
	for _, f := range p.Lock.Files {
		if f.Path == program {
			continue
		}
		checked, err := openChecked(f.Path, pin{sha256: f.SHA256, lock: true})
		if err != nil {
			return fmt.Errorf("file %s: %w", f.Path, err)
		}
		_ = checked.Close()
	}
	for _, path := range p.Files() {
		if path != program && p.Lock.SHA256(path) == "" {
			return fmt.Errorf("file %s: it is not in %s, other files of the plugin are; %s", path, config.LockName, installRemedy)
		}
	}
	return nil
}

// openChecked opens a file whose bytes have the checksum.
func openChecked(path string, want pin) (_ *os.File, err error) {
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
	if subtle.ConstantTimeCompare([]byte(got), []byte(strings.ToLower(want.sha256))) == 0 {
		return nil, want.refuse(got)
	}
	return f, nil
}

// environment is the whole of what a plugin gets: go-plugin's variables, ours,
// the user's, and the inherited ones. The user's win over the inherited, ours
// over all.
func environment(p *config.Plugin, goPlugin []string, level, folder string) []string {
	env := make(map[string]string)
	for _, name := range host.Inherited {
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
	fmt.Fprintf(&b, "%q %q %q %q %q %q %q %v", p.Kind, p.Builtin, p.Command, strings.ToLower(p.SHA256), map[string]string(p.Env), p.Grants, p.User, p.Limits)
	for _, path := range p.Files() {
		if info, err := os.Stat(path); err == nil {
			fmt.Fprintf(&b, " %d@%d", info.Size(), info.ModTime().UnixNano())
		}
	}
	if p.Lock != nil {
		fmt.Fprintf(&b, " %q", *p.Lock)
	}
	return b.String()
}
