package cli

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What a plugin is named by on the command line, in each command alike.
func TestRunnable(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go/go.mod": "module mine\n", "go/main.go": "package main\n\nfunc main() {}\n", "broken/go.mod": "module mine\n", "broken/main.go": "package main\n",
		"node/package.json": `{"name": "mine"}`, "node/mine.js": "", "other/mine.py": "", "nameless/package.json": "{}",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	in := func(parts ...string) string { return filepath.Join(append([]string{dir}, parts...)...) }
	tmp := t.TempDir()
	for _, tc := range []struct {
		name       string
		args, want []string
		fails      string
	}{
		{name: "a folder of Go", args: []string{in("go"), "--flag"}, want: []string{filepath.Join(tmp, "go"), "--flag"}},
		{name: "a folder of Node", args: []string{in("node") + "/", "a"}, want: []string{in("node", "mine.js"), "a"}},
		{name: "a file", args: []string{in("other", "mine.py")}, want: []string{in("other", "mine.py")}},
		{name: "a program in PATH", args: []string{"node", "mine.js"}, want: []string{"node", "mine.js"}},
		{name: "Go that does not build", args: []string{in("broken")}, fails: "go build"},
		{name: "a folder of something else", args: []string{in("other")}, fails: "name the plugin's program, such as node"},
		{name: "a package without a name", args: []string{in("nameless")}, fails: "neither Go source nor a package.json with a name"},
		{name: "nothing", fails: "no program is named"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := runnable(t.Context(), tc.args, tmp)
			if tc.fails != "" {
				if err == nil || !strings.Contains(err.Error(), tc.fails) {
					t.Errorf("got %q, %v", got, err)
				}
				return
			}
			if err != nil || !slices.Equal(got, tc.want) {
				t.Errorf("got %q, %v, want %q", got, err, tc.want)
			}
		})
	}
}
