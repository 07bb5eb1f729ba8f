package scaffold

import (
	"io/fs"
	"path"

	"github.com/smart-ai-router/smartrouter/sdk/proto"
)

// WriteContract writes the .proto files below dir, where their imports find
// each other, and answers their names.
func WriteContract(dir string) ([]string, error) {
	files := make(map[string][]byte)
	if err := contract(files, "."); err != nil {
		return nil, err
	}
	return write(dir, files)
}

func contract(files map[string][]byte, dir string) error {
	names, err := fs.Glob(proto.Files, "*.proto")
	for _, name := range names {
		text, err := proto.Files.ReadFile(name)
		if err != nil {
			return err
		}
		files[path.Join(dir, proto.Folder, name)] = text
	}
	return err
}
