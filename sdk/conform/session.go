package conform

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/smart-ai-router/smartrouter/sdk"
	"github.com/smart-ai-router/smartrouter/sdk/host"
)

// session is a process of the plugin that is configured, and how it is asked.
type session struct {
	*process
	way      Way
	plugin   *host.Plugin
	upstream *lentUpstream
	witness  *witness
	askers   []*asker
	lendEnd  func()
}

// newestVersions is what the router offers, olderVersions what the one before did.
var (
	newestVersions = versionsTo(sdk.ProtocolVersion)
	olderVersions  = versionsTo(sdk.ProtocolVersion - 1)
)

func versionsTo(newest int) string {
	text := ""
	for v := sdk.OldestProtocolVersion; v <= newest; v++ {
		text += fmt.Sprintf(",%d", v)
	}
	return text[1:]
}

// connect starts a process and asks what it is. Its end is the caller's.
func (k *kit) connect(ctx context.Context, way Way, versions string) (_ *session, err error) {
	s := &session{way: way, upstream: new(lentUpstream), witness: new(witness)}
	if s.process, err = startProcess(ctx, &k.target, k.limits, versions, s.witness.intercept); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			s.end()
		}
	}()
	link := host.Link{Conn: s.conn, Protocol: s.protocol, Unary: way == Unary}
	ask, cancel := context.WithTimeout(ctx, s.limits.start)
	defer cancel()
	if s.plugin, err = host.Connect(ask, "plugin", link); err != nil {
		return nil, s.because(err)
	}
	return s, nil
}

// open starts a process and configures it.
func (k *kit) open(ctx context.Context, way Way, versions, dataDir string) (_ *session, err error) {
	s, err := k.connect(ctx, way, versions)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			s.end()
		}
	}()
	setup := host.Setup{DataDir: dataDir, Grants: k.grants(s.plugin.Manifest())}
	if setup.ConfigJSON, err = json.Marshal(k.target.Config); err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	if setup.UpstreamSocket, s.lendEnd, err = s.upstream.serve(s.folder); err != nil {
		return nil, err
	}
	ask, cancel := context.WithTimeout(ctx, s.limits.start)
	defer cancel()
	mistakes, err := s.plugin.Configure(ask, setup)
	if err != nil {
		return nil, s.because(err)
	}
	if len(mistakes) > 0 {
		return nil, errConfig{mistakes: mistakes, block: k.block}
	}
	for _, kind := range s.plugin.Manifest().Kinds {
		if a := newAsker(kind, s); a != nil {
			s.askers = append(s.askers, a)
		}
	}
	return s, nil
}

// errConfig is what the plugin does not accept in the config that it was given.
type errConfig struct {
	mistakes []sdk.ConfigError
	block    Block
}

func (e errConfig) Error() string {
	if e.block != nil {
		return e.block.Explain(e.mistakes).Error()
	}
	return fmt.Sprintf("does not accept its config: %v", e.mistakes)
}

func (k *kit) grants(m sdk.Manifest) []string {
	if k.target.Grants != nil {
		return k.target.Grants
	}
	return m.Needs
}

// dataDir is a new one.
func (k *kit) dataDir() (string, error) {
	k.folders++
	dir := filepath.Join(k.folder, fmt.Sprint(k.folders))
	return dir, os.Mkdir(dir, 0o700)
}

// end kills the process and removes what it had.
func (s *session) end() {
	if s == nil {
		return
	}
	if s.plugin != nil {
		_ = s.plugin.Close()
	}
	s.kill()
	if s.lendEnd != nil {
		s.lendEnd()
	}
}

// died reports whether a call failed since the process ended, which is seen a
// little later than the end of the connection.
func (s *session) died(err error) bool {
	return !s.alive() || status.Code(err) == codes.Unavailable && s.endsWithin(s.limits.notice)
}

// broke reports whether a call came to no answer, where an error may be one.
func (s *session) broke(err error) bool {
	switch status.Code(err) {
	case codes.Unavailable, codes.DeadlineExceeded, codes.Canceled, codes.ResourceExhausted:
		return true
	}
	return s.endsWithin(100 * time.Millisecond)
}

// because adds to an error how the process ended, where it did.
func (s *session) because(err error) error {
	if s.endsWithin(s.limits.notice) {
		return fmt.Errorf("its process ended: %s", s.exit())
	}
	return err
}

// vitals are what the plugin says of itself; false: it can't.
func (s *session) vitals(ctx context.Context) (host.Vitals, bool) {
	ctx, cancel := context.WithTimeout(ctx, s.limits.call)
	defer cancel()
	v, err := s.plugin.Vitals(ctx)
	return v, err == nil
}

// use is what the process uses now.
func (s *session) use() usage { return usageOf(s.pid(), s.marker()) }

// ask makes the n-th usual call, which has to succeed in time.
func (s *session) ask(ctx context.Context, a *asker, n int) (any, error) {
	ctx, cancel := context.WithTimeout(ctx, s.limits.call)
	defer cancel()
	answer, err := a.usual(ctx, n)
	switch {
	case err == nil:
		return answer, nil
	case ctx.Err() != nil && s.alive():
		return nil, fmt.Errorf("call %d was not answered within %v", n+1, s.limits.call)
	default:
		return nil, s.because(fmt.Errorf("call %d: %w", n+1, err))
	}
}
