package demo

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/smart-ai-router/smartrouter/sdk"
)

// home is where the server lives, and who may come in.
type home struct {
	address string
	token   string
}

type homeFile struct {
	Address string `json:"address"`
	Token   string `json:"token"`
}

// open listens at the wanted address; where its port is 0, at that of the
// process before if it is free.
func (h *home) open(ctx context.Context, dir, wanted string) (net.Listener, error) {
	path := filepath.Join(dir, "home.json")
	var last homeFile
	if b, err := os.ReadFile(path); err == nil {
		// A file that can't be read is as good as none: it is written anew.
		if json.Unmarshal(b, &last) != nil {
			last = homeFile{}
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		sdk.Log.Warn("address and token of the last process not read", "err", err)
	}

	var lc net.ListenConfig
	var l net.Listener
	err := errors.New("no last address")
	if sameHost(last.Address, wanted) && strings.HasSuffix(wanted, ":0") {
		l, err = lc.Listen(ctx, "tcp", last.Address)
	}
	if err != nil {
		if l, err = lc.Listen(ctx, "tcp", wanted); err != nil {
			return nil, err
		}
	}
	h.address, h.token = l.Addr().String(), last.Token
	if len(h.token) < tokenLength {
		h.token = rand.Text()
	}
	if err := h.write(path); err != nil {
		// It costs the router's prepared requests at the next restart, no more.
		sdk.Log.Warn("address and token not written", "err", err)
	}
	return l, nil
}

// tokenLength is that of rand.Text, which has at least 128 bits.
const tokenLength = 26

func sameHost(a, b string) bool {
	hostA, _, errA := net.SplitHostPort(a)
	hostB, _, errB := net.SplitHostPort(b)
	return errA == nil && errB == nil && hostA == hostB
}

// write replaces the file at once: the token is for this user alone.
func (h *home) write(path string) error {
	b, err := json.Marshal(homeFile{Address: h.address, Token: h.token})
	if err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", b, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
