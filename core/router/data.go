package router

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// dataDir is the folder of what outlives the router:
//
//	admin.token    what the admin listener asks for
//	admin.address  where that is, while the router runs
//	pepper       the router's own secret: API keys are digested with it
//	plugins/     a folder for each plugin
//	files/       what callers uploaded, and what their batches made
//	batches/     a journal for each batch
//	run/         sockets, while the router runs
//	lock         held while the router runs
type dataDir struct {
	token  string
	pepper []byte
	dir    string
	lock   *os.File
}

const secretBytes = 32

func openDataDir(dir string) (d dataDir, err error) {
	d.dir = dir
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return d, fmt.Errorf("data folder: %w", err)
	}
	if d.lock, err = lock(filepath.Join(dir, "lock")); err != nil {
		return d, err
	}
	if d.token, err = keep(filepath.Join(dir, "admin.token")); err != nil {
		return d, err
	}
	d.pepper, err = keepPepper(dir)
	return d, err
}

func keepPepper(dir string) ([]byte, error) {
	path := filepath.Join(dir, "pepper")
	s, err := keep(path)
	if err != nil {
		return nil, err
	}
	b, err := hex.DecodeString(s)
	if err != nil || len(b) < secretBytes {
		return nil, fmt.Errorf("data folder: %s is damaged: remove it, and make the digests of API keys anew", path)
	}
	return b, nil
}

func (d *dataDir) close() {
	if d.lock != nil {
		d.lock.Close()
	}
}

// lock keeps two routers from one folder. The kernel drops it with the process.
func lock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("data folder %s: another router uses it; stop it, or give this one its own --data-dir", filepath.Dir(path))
	}
	return f, nil
}

// keep is a random secret in a file, made on first use.
func keep(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err == nil && len(strings.TrimSpace(string(b))) > 0 {
		return strings.TrimSpace(string(b)), nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("data folder: %w", err)
	}
	raw := make([]byte, secretBytes)
	rand.Read(raw) // never fails
	s := hex.EncodeToString(raw)
	// Written whole or not at all: a torn secret would lock everybody out.
	tmp := path + ".new"
	if err := os.WriteFile(tmp, []byte(s+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("data folder: %w", err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return "", fmt.Errorf("data folder: %w", err)
	}
	return s, nil
}

// addressFile is where a router says where its admin listener is: commands find
// it there whatever its configuration says by now.
const addressFile = "admin.address"

func (d *dataDir) tell(admin net.Addr) error {
	path := filepath.Join(d.dir, addressFile)
	if admin == nil {
		return d.untell()
	}
	if err := os.WriteFile(path, []byte(admin.String()+"\n"), 0o600); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	return nil
}

func (d *dataDir) untell() error {
	if err := os.Remove(filepath.Join(d.dir, addressFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("data folder: %w", err)
	}
	return nil
}

// AdminAddress is where the router listens for its operator that uses the data
// folder, or did; empty: none has said so.
func AdminAddress(dir string) (string, error) {
	b, err := os.ReadFile(filepath.Join(dir, addressFile))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return strings.TrimSpace(string(b)), err
}
