package catalog

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/smart-ai-router/smartrouter/core/config"
)

// sum is what was found out of the program of one process.
type sum struct {
	epoch  uint64
	sha256 string
}

// SHA256 is that of the file which the present process runs, in hex; where its
// command names several files, over their checksums in order. It is empty where
// that is not known any more, as a file was changed after the process started.
// The files are read once a process.
func (i *Instance) SHA256() string {
	st := i.Status()
	if s := i.sum.Load(); s != nil && s.epoch == st.Epoch {
		return s.sha256
	}
	s := &sum{epoch: st.Epoch}
	if p := i.upstream.plugin.Load(); len(p.Command) == 0 {
		s.sha256 = i.catalog.selfSum() // the very file that is running
	} else {
		s.sha256 = sumOf(p, st.Started)
	}
	i.sum.Store(s)
	return s.sha256
}

// sumOf is empty where a file can't be read, or is newer than the process.
func sumOf(p *config.Plugin, started time.Time) string {
	program, err := exec.LookPath(p.Command[0])
	if err == nil {
		program, err = filepath.Abs(program)
	}
	if err != nil {
		return ""
	}
	files := p.Files()
	if !slices.Contains(files, program) { // it was found by PATH
		files = append([]string{program}, files...)
	}
	sums := make([]string, len(files))
	for i, name := range files {
		info, err := os.Stat(name)
		if err != nil || info.ModTime().After(started) {
			return ""
		}
		if sums[i], err = config.HashFile(name); err != nil {
			return ""
		}
	}
	if len(sums) == 1 {
		return sums[0]
	}
	all := sha256.Sum256([]byte(strings.Join(sums, "\n")))
	return hex.EncodeToString(all[:])
}
