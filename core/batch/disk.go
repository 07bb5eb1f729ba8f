package batch

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/hashicorp/go-hclog"
)

// tempPrefix marks files that are not whole yet. They do not outlive a restart.
const tempPrefix = ".new-"

// damagedExt marks what could not be read. It is left alone.
const damagedExt = ".damaged"

// setAside takes what can't be read out of the way, and says so.
func setAside(log hclog.Logger, path string, why error) {
	err := os.Rename(path, path+damagedExt)
	if !errors.Is(err, os.ErrNotExist) {
		log.Error("damaged and set aside", "file", path, "err", errors.Join(why, err))
	}
}

// replace writes a file that is there whole or not at all, also when the
// machine loses its power. The write function's error comes back as it is.
func replace(path string, write func(io.Writer) error) (err error) {
	tmp, err := os.CreateTemp(filepath.Dir(path), tempPrefix)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(tmp.Name())
		}
	}()
	if err = errors.Join(write(tmp), tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	if err = os.Rename(tmp.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func replaceJSON(path string, v any) error {
	return replace(path, func(w io.Writer) error { return json.NewEncoder(w).Encode(v) })
}

// syncDir makes the names in a folder durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
