package conform

import (
	"context"
	"net"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/smart-ai-router/smartrouter/sdk"
	"github.com/smart-ai-router/smartrouter/sdk/host"
)

// lentUpstream is the HTTP client that the plugin may use. It answers without
// a network, as a test wants it.
type lentUpstream struct {
	mode    atomic.Int32
	waiting atomic.Int64 // requests under way
}

// What the upstream does.
const (
	answers int32 = iota // with a list of models
	hangs                // until the caller gives up
	babbles              // with what is no JSON, and no success
	floods               // with 8 MiB
	refuses              // with an error
)

// listed are the models that the upstream has.
const listed = `{"object":"list","data":[{"id":"m-1","object":"model","created":1,"owned_by":"conform"},{"id":"m-2","object":"model"}]}`

func (u *lentUpstream) do(ctx context.Context, _ string, _ sdk.UpstreamRequest) (sdk.UpstreamResponse, error) {
	u.waiting.Add(1)
	defer u.waiting.Add(-1)
	switch u.mode.Load() {
	case hangs:
		<-ctx.Done()
		return sdk.UpstreamResponse{}, ctx.Err()
	case babbles:
		return sdk.UpstreamResponse{Status: 503, Body: []byte("<html>\xff\x00 no JSON")}, nil
	case floods:
		return sdk.UpstreamResponse{Status: 200, Body: make([]byte, 8<<20)}, nil
	case refuses:
		return sdk.UpstreamResponse{}, context.DeadlineExceeded
	default:
		return sdk.UpstreamResponse{
			Status: 200, Body: []byte(listed), Latency: time.Millisecond,
			Headers: []sdk.Header{{Name: "Content-Type", Value: "application/json"}},
		}, nil
	}
}

// quiet waits until no request is under way.
func (u *lentUpstream) quiet(limit time.Duration) bool {
	return eventually(limit, func() bool { return u.waiting.Load() == 0 })
}

// serve lends it in a folder, and answers its socket.
func (u *lentUpstream) serve(folder string) (socket string, stop func(), err error) {
	socket = filepath.Join(folder, "upstream")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket})
	if err != nil {
		return "", nil, err
	}
	return socket, host.ServeUpstream(l, u.do), nil
}

// eventually polls.
func eventually(limit time.Duration, ok func() bool) bool {
	for end := time.Now().Add(limit); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			return false
		}
	}
	return true
}
