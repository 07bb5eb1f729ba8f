package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/smart-ai-router/smartrouter/sdk/conform"
)

// runnable is the command line of a plugin of one's own: a folder with Go source
// is built into tmp, one of `smartrouter plugin new --lang node` has its program
// in it, and all else is a program with its arguments.
func runnable(ctx context.Context, args []string, tmp string) ([]string, error) {
	if len(args) == 0 {
		return nil, errors.New("no program is named")
	}
	command := append([]string(nil), args...)
	info, err := os.Stat(args[0])
	switch {
	case err == nil && info.IsDir():
		command[0], err = programIn(ctx, args[0], tmp)
		return command, err
	case err == nil && len(args) == 1, strings.ContainsRune(args[0], filepath.Separator):
		command[0], err = filepath.Abs(args[0])
		return command, err
	}
	return command, nil // for PATH
}

func programIn(ctx context.Context, dir, tmp string) (string, error) {
	if sources, _ := filepath.Glob(filepath.Join(dir, "*.go")); len(sources) > 0 {
		return conform.Build(ctx, dir, tmp)
	}
	var project struct{ Name string }
	b, err := os.ReadFile(filepath.Join(dir, "package.json"))
	if err == nil {
		err = json.Unmarshal(b, &project)
	}
	if err != nil || project.Name == "" {
		return "", fmt.Errorf("%s holds neither Go source nor a package.json with a name; name the plugin's program, such as node %s",
			dir, filepath.Join(dir, "plugin.mjs"))
	}
	return filepath.Abs(filepath.Join(dir, project.Name+".js"))
}
