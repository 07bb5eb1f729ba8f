package catalog

import (
	"context"
	"fmt"
	"io"
	"time"

	goplugin "github.com/hashicorp/go-plugin"
	"golang.org/x/sys/unix"

	"github.com/smart-ai-router/smartrouter/sdk"
)

// guestPoll is how soon the end of a guest is noticed. It is no child of ours,
// so nothing tells us.
const guestPoll = 200 * time.Millisecond

// atABreakpoint is how long a guest may stand still.
const atABreakpoint = 24 * time.Hour

// newGuest is a process that its author has started. What it prints goes to its
// author.
func newGuest(at sdk.Reattach, out *lines) *child {
	c := newChild(nil, nil, out)
	c.guest = at
	return c
}

// visit is the Start of a guest: the handshake that it would have printed, and
// a watch over its process.
func (c *child) visit() error {
	if err := unix.Kill(c.guest.PID, 0); err != nil {
		return fmt.Errorf("process %d to reattach to: %w", c.guest.PID, err)
	}
	ctx, leave := context.WithCancel(context.Background())
	proc := &process{pid: c.guest.PID, ended: make(chan struct{}), leave: leave}
	c.mu.Lock()
	c.proc = proc
	if c.killed {
		proc.kill()
	}
	c.mu.Unlock()

	c.first = fmt.Sprintf("%d|%d|%s|%s|grpc|", goplugin.CoreProtocolVersion, c.guest.Version, c.guest.Network, c.guest.Address)
	close(c.spoke)
	var handshake *io.PipeWriter
	c.handshake, handshake = io.Pipe()
	go func() {
		_, _ = io.WriteString(handshake, c.first+"\n")
		_ = handshake.Close()
	}()
	go func() {
		proc.exit = await(ctx, c.guest.PID)
		close(proc.ended)
		close(c.over)
	}()
	return nil
}

// await answers when a process has ended, or ctx has, and then which.
func await(ctx context.Context, pid int) string {
	tick := time.NewTicker(guestPoll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return "let go"
		case <-tick.C:
			if unix.Kill(pid, 0) != nil {
				return "its author ended it"
			}
		}
	}
}
