package catalog

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	osuser "os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/smart-ai-router/smartrouter/core/config"
)

// user is whom a plugin's process runs as, where that is not the router's user.
type user struct {
	name     string
	uid, gid uint32
}

// userOf is nil where the process runs as the router does: since that is not
// root and can't choose, or since the configuration says so.
func userOf(p *config.Plugin) (*user, error) {
	if p.User == "" || os.Geteuid() != 0 {
		return nil, nil
	}
	found, err := osuser.Lookup(p.User)
	if err != nil {
		if found, err = osuser.LookupId(p.User); err != nil {
			return nil, fmt.Errorf("there is no user %q to run it as; name another: user = \"...\"", p.User)
		}
	}
	uid, err := strconv.ParseUint(found.Uid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("user %s: %w", p.User, err)
	}
	gid, err := strconv.ParseUint(found.Gid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("user %s: %w", p.User, err)
	}
	if int(uid) == os.Geteuid() {
		return nil, nil
	}
	return &user{name: p.User, uid: uint32(uid), gid: uint32(gid)}, nil
}

// credential has no supplementary groups.
func (u *user) credential() *syscall.Credential {
	if u == nil {
		return nil
	}
	return &syscall.Credential{Uid: u.uid, Gid: u.gid}
}

// own gives files to the user.
func (u *user) own(paths ...string) error {
	if u == nil {
		return nil
	}
	for _, path := range paths {
		if err := os.Lchown(path, int(u.uid), int(u.gid)); err != nil {
			return err
		}
	}
	return nil
}

// ownAll gives a folder and all in it to the user: it may have been another's.
func (u *user) ownAll(dir string) error {
	var st unix.Stat_t
	if u == nil || unix.Lstat(dir, &st) == nil && st.Uid == u.uid {
		return nil
	}
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return u.own(path)
	})
}

// closedTo is a file of the plugin's that the user can't read, such as a script,
// or its program where the user may not execute that; empty: there is none. By
// which path is all the same for a program, which is opened before, but not for
// a script: its interpreter opens it again.
func (u *user) closedTo(p *config.Plugin) string {
	if u == nil {
		return ""
	}
	program, err := filepath.Abs(p.Command[0])
	if err != nil {
		return ""
	}
	for _, file := range p.Files() {
		var st unix.Stat_t
		if unix.Stat(file, &st) != nil {
			continue // which the start will tell of
		}
		script := file != program || isScript(file)
		needs := u.bits(&st, 0o4)
		if !script {
			needs = u.bits(&st, 0o1)
		}
		if st.Mode&needs == 0 || script && !u.reaches(file) {
			return file
		}
	}
	return ""
}

// isScript reports whether a program is one that its first line names an
// interpreter for.
func isScript(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	var head [2]byte
	_, err = io.ReadFull(f, head[:])
	return err == nil && string(head[:]) == "#!"
}

// bits of a mode that decide for the user, of those for others.
func (u *user) bits(st *unix.Stat_t, others uint32) uint32 {
	switch {
	case st.Uid == u.uid:
		return others << 6
	case st.Gid == u.gid:
		return others << 3
	}
	return others
}

// reaches reports whether the user gets to a folder by its path.
func (u *user) reaches(path string) bool {
	if u == nil {
		return true
	}
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		var st unix.Stat_t
		if unix.Stat(dir, &st) != nil {
			return false
		}
		if st.Mode&u.bits(&st, 0o1) == 0 {
			return false
		}
		if dir == "/" {
			return true
		}
	}
}

// homeFD is the descriptor of a data folder that the user does not reach by its
// path.
const homeFD = 5

// home is the path by which the process knows its data folder, which is opened
// where it needs that.
func (u *user) home(dir string) (path string, open *os.File, err error) {
	if u.reaches(dir) {
		return dir, nil, nil
	}
	open, err = os.Open(dir)
	return "/proc/self/fd/" + strconv.Itoa(homeFD), open, err
}

// openBases are the places for the sockets of other users' processes: such as
// anybody reaches.
func openBases() []string {
	return []string{"/run/smartrouter", filepath.Join(os.TempDir(), "smartrouter-"+strconv.Itoa(os.Getuid())+"-plugins")}
}

// blame adds the user to why a start failed, which is where to look first.
func (u *user) blame(err error) error {
	if u == nil || err == nil || strings.Contains(err.Error(), u.name) {
		return err
	}
	return fmt.Errorf("as the user %s: %w", u.name, err)
}
