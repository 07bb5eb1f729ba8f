package cli

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/core/router"
	"github.com/smart-ai-router/smartrouter/core/server"
)

// errNotRunning: nobody answers at the admin address.
var errNotRunning = errors.New("no router is running here")

// adminTimeout bounds one question to the running router, reloadTimeout one for
// which it starts plugins: each has a start_timeout of its own.
const (
	adminTimeout  = 10 * time.Second
	reloadTimeout = 5 * time.Minute
)

// question to the running router.
type question struct {
	method, path string
	body         any           // sent as JSON, or as it is where it is []byte; nil: none
	timeout      time.Duration // 0: adminTimeout
}

// ask asks the router that runs with this data folder. Its answer is read into
// out.
func (p *place) ask(cmd *cobra.Command, q question, out any) error {
	address, err := p.adminAddress()
	if err != nil {
		return err
	}
	token, err := os.ReadFile(filepath.Join(p.data, "admin.token"))
	if errors.Is(err, os.ErrNotExist) {
		return errNotRunning
	}
	if err != nil {
		return err
	}
	body, raw := q.body.([]byte)
	if !raw && q.body != nil {
		if body, err = json.Marshal(q.body); err != nil {
			return err
		}
	}
	req, err := http.NewRequestWithContext(cmd.Context(), q.method, "http://"+address+q.path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	req.Header.Set("Content-Type", "application/json")
	client := http.Client{Timeout: max(q.timeout, adminTimeout)}
	resp, err := client.Do(req)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return errNotRunning
	}
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		var e struct {
			Error struct{ Message string }
		}
		if json.Unmarshal(b, &e) == nil && e.Error.Message != "" {
			return errors.New(e.Error.Message)
		}
		return fmt.Errorf("the router answered %s", resp.Status)
	}
	return json.Unmarshal(b, out)
}

// adminAddress is where the router listens that uses the data folder. It says so
// there: the file may be broken now, or say something new.
func (p *place) adminAddress() (string, error) {
	address, err := router.AdminAddress(p.data)
	if address != "" || err != nil {
		return address, err
	}
	cfg, err := config.Load(p.config)
	if err != nil {
		return "", err
	}
	if cfg.Admin.Address == "" {
		return "", errNotRunning
	}
	return cfg.Admin.Address, nil
}

// status of the running router.
func (p *place) status(cmd *cobra.Command) (st server.Status, err error) {
	return st, p.ask(cmd, question{method: http.MethodGet, path: "/admin/status"}, &st)
}

// commas puts words of any kind into one text.
func commas[S ~string](words []S) string {
	var b strings.Builder
	for n, w := range words {
		if n > 0 {
			b.WriteString(", ")
		}
		b.WriteString(string(w))
	}
	return b.String()
}

// dash stands for what is not there.
func dash(s string) string {
	return cmp.Or(s, "-")
}

func printJSON(cmd *cobra.Command, v any) error {
	enc := json.NewEncoder(cmd.OutOrStdout())
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
