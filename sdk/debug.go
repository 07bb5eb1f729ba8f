package sdk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/hashicorp/go-plugin"
	"golang.org/x/sys/unix"
)

// DebugFlag is the argument with which an author starts the program himself,
// such as under a debugger. It then prints a [Reattach] and waits for a router
// that is told of it.
const DebugFlag = "--debug"

// Reattach is where a program that was started with [DebugFlag] is found.
type Reattach struct {
	Version int // of the protocol
	PID     int
	// Network is unix or tcp. Only this machine can be meant.
	Network string
	Address string
}

func (r Reattach) String() string {
	return fmt.Sprintf("%d,%d,%s:%s", r.Version, r.PID, r.Network, r.Address)
}

// ParseReattach reads what [Reattach.String] wrote, and refuses an address that
// is not on this machine.
func ParseReattach(text string) (Reattach, error) {
	bad := func(why string) (Reattach, error) {
		return Reattach{}, fmt.Errorf("reattach %q: %s; it is what the plugin prints that is started with %s", text, why, DebugFlag)
	}
	parts := strings.SplitN(strings.TrimSpace(text), ",", 3)
	if len(parts) != 3 {
		return bad("not of the form VERSION,PID,NETWORK:ADDRESS")
	}
	var r Reattach
	var err error
	if r.Version, err = strconv.Atoi(parts[0]); err != nil || r.Version < 1 {
		return bad("no version of the protocol")
	}
	if r.PID, err = strconv.Atoi(parts[1]); err != nil || r.PID < 2 {
		return bad("no process")
	}
	r.Network, r.Address, _ = strings.Cut(parts[2], ":")
	switch r.Network {
	case "unix":
		if !filepath.IsAbs(r.Address) {
			return bad("no absolute path of a socket")
		}
	case "tcp":
		host, _, err := net.SplitHostPort(r.Address)
		if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
			return bad("not a loopback address")
		}
	default:
		return bad("neither a unix socket nor loopback")
	}
	return r, nil
}

// debug serves one router after the other, until the author ends the program.
func (s *server) debug(out io.Writer) error {
	s.byAuthor = true
	dir, err := os.MkdirTemp("", "plugin-debug-") // for this user alone
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for name, v := range map[string]string{
		plugin.EnvUnixSocketDir:    dir,
		"PLUGIN_PROTOCOL_VERSIONS": strconv.Itoa(ProtocolVersion), // as a router offers it
	} {
		if err := os.Setenv(name, v); err != nil {
			return err
		}
	}
	ctx, cancel := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	defer cancel()
	// Each service has a socket of its own; what is printed goes on to hold.
	link := filepath.Join(dir, "socket")
	told := false
	for ctx.Err() == nil {
		err := s.serve(ctx, func(a *plugin.ReattachConfig) error {
			if err := os.Remove(link); err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
			if err := os.Symlink(a.Addr.String(), link); err != nil || told {
				return err
			}
			told = true
			r := Reattach{Version: a.ProtocolVersion, PID: os.Getpid(), Network: "unix", Address: link}
			_, err := fmt.Fprintf(out, "%s waits for a router. In the plugin's folder:\n\n  smartrouter plugin dev . --reattach %s\n\n", s.manifest.Name, r)
			return err
		})
		if err := errors.Join(err, s.close()); err != nil {
			return err
		}
	}
	return nil
}
