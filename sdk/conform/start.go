package conform

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/smart-ai-router/smartrouter/sdk"
)

// start checks the handshake and the manifest. Without them there is nothing
// more to check.
func (k *kit) start(ctx context.Context) (m sdk.Manifest, ok bool) {
	began := time.Now()
	s, err := k.connect(ctx, Unary, newestVersions)
	if err != nil {
		r := Result{Check: "handshake", Outcome: Fail, Detail: err.Error(), Remedy: handshakeRemedy(err)}
		k.took(r, began)
		return m, false
	}
	defer func() {
		k.note(s)
		s.end()
	}()
	took := time.Since(began)
	k.took(Result{Check: "handshake", Outcome: OK, Detail: fmt.Sprintf("answers %v after its start", took.Round(time.Millisecond))}, began)

	m = s.plugin.Manifest()
	k.report.Plugin, k.report.Version, k.report.Kinds, k.report.Protocol = m.Name, m.Version, m.Kinds, s.protocol
	k.took(k.manifest(s, m), time.Now())
	k.add(protocolResult(s.protocol))
	return m, true
}

func handshakeRemedy(err error) string {
	var version errVersion
	switch {
	case errors.As(err, &version):
		return fmt.Sprintf("speak version %s; a Go plugin is built with the router's version of the SDK", strings.ReplaceAll(newestVersions, ",", " or "))
	case strings.Contains(err.Error(), "where its handshake was expected"):
		return "print nothing to stdout before the handshake; logs go to stderr"
	default:
		return "print 1|2|unix|<socket>|grpc| to stdout once the socket, in $PLUGIN_UNIX_SOCKET_DIR, is served; a Go plugin calls sdk.Serve"
	}
}

// manifest was accepted by host.Connect; here is what it could say better.
func (k *kit) manifest(s *session, m sdk.Manifest) Result {
	kinds := make([]string, len(m.Kinds))
	for i, kind := range m.Kinds {
		kinds[i] = string(kind)
	}
	r := Result{Check: "manifest", Outcome: OK, Detail: fmt.Sprintf("%s %s: %s", m.Name, m.Version, strings.Join(kinds, ", "))}
	switch {
	case m.Doc == "":
		r.Outcome, r.Remedy = Note, "say in Doc, in one sentence, what it does: `plugin info` and `plugin docs` show it"
	case undocumented(m.Fields) != "":
		r.Outcome = Note
		r.Remedy = fmt.Sprintf(`say what the attribute %s is for: a tag doc:"..." in Go`, undocumented(m.Fields))
	}
	for _, kind := range m.Kinds {
		if newAsker(kind, s) == nil {
			r.Outcome, r.Detail = Note, fmt.Sprintf("%s; the kit has no questions for a %s", r.Detail, kind)
		}
	}
	return r
}

func undocumented(fields []sdk.Field) string {
	for _, f := range fields {
		if f.Doc == "" {
			return f.Name
		}
		if inner := undocumented(f.Fields); inner != "" {
			return f.Name + "." + inner
		}
	}
	return ""
}

// protocolResult is about the version that the plugin takes of those offered.
func protocolResult(spoken int) Result {
	r := Result{Check: fmt.Sprintf("protocol %d", sdk.ProtocolVersion), Outcome: OK, Detail: "spoken"}
	if spoken < sdk.ProtocolVersion {
		r.Outcome = Note
		r.Detail = fmt.Sprintf("not spoken; version %d is, and is served by this router for the last time", spoken)
		r.Remedy = "build it with the router's version of the SDK, or see sdk/proto/plugin.proto for what is new"
	}
	return r
}

// older starts the plugin as a router of the version before would.
func (k *kit) older(ctx context.Context) {
	began := time.Now()
	r := Result{Check: fmt.Sprintf("protocol %d", sdk.ProtocolVersion-1), Outcome: OK}
	defer func() { k.took(r, began) }()
	dir, err := k.dataDir()
	if err == nil {
		var s *session
		if s, err = k.open(ctx, Unary, olderVersions, dir); err == nil {
			defer func() {
				k.note(s)
				s.end()
			}()
			for _, a := range s.askers {
				if _, err = s.ask(ctx, a, 0); err != nil {
					err = fmt.Errorf("%s: %w", a.kind, err)
					break
				}
			}
		}
	}
	var version errVersion
	switch {
	case errors.As(err, &version):
		r.Outcome = Note
		r.Detail = "not spoken: " + err.Error()
		r.Remedy = "speak it too, so that the plugin also runs in routers of the version before; the Go SDK does"
	case err != nil:
		r.Outcome, r.Detail = Fail, err.Error()
		r.Remedy = "do what that version of the contract says, or do not answer with it in the handshake"
	default:
		r.Detail = "spoken, as with a router of the version before"
	}
}
