package conform

import (
	"context"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/smart-ai-router/smartrouter/sdk"
	pluginproto "github.com/smart-ai-router/smartrouter/sdk/proto"
)

// witness sees the answers of unary calls as they are on the wire: sdk/host
// puts into range, silently, what the kit has to tell.
type witness struct {
	mu      sync.Mutex
	largest int
	of      string // the method that answered it
	lease   string // the first of no sense
	leases  int
}

// What an answer may be. A plan of 1,000 targets with reasons has 100 KiB.
const maxAnswerBytes = 1 << 20

func (w *witness) intercept(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	err := invoke(ctx, method, req, reply, cc, opts...)
	if m, ok := reply.(proto.Message); ok && err == nil {
		size := proto.Size(m)
		w.mu.Lock()
		defer w.mu.Unlock()
		_, isEntry := reply.(*pluginproto.GetResponse) // what a cache answers was given to it
		asked, _ := req.(proto.Message)
		if !isEntry && size > w.largest && (asked == nil || proto.Size(asked) < maxAnswerBytes) {
			w.largest, w.of = size, method
		}
		w.look(method, m.ProtoReflect())
	}
	return err
}

// look finds leases at any depth.
func (w *witness) look(method string, m protoreflect.Message) {
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.Message() == nil || f.IsMap():
		case f.IsList():
			for i := range v.List().Len() {
				w.look(method, v.List().Get(i).Message())
			}
		default:
			if l, ok := v.Message().Interface().(*pluginproto.Lease); ok {
				w.judge(method, string(f.Name()), l)
			} else {
				w.look(method, v.Message())
			}
		}
		return true
	})
}

func (w *witness) judge(method, field string, l *pluginproto.Lease) {
	w.leases++
	for part, d := range map[string]time.Duration{"fresh": l.GetFresh().AsDuration(), "stale": l.GetStale().AsDuration()} {
		wrong := ""
		switch {
		case d < 0:
			wrong = "is below zero"
		case d > sdk.MaxLease:
			wrong = fmt.Sprintf("is longer than %v", sdk.MaxLease)
		}
		if wrong != "" && w.lease == "" {
			w.lease = fmt.Sprintf("%s answers a %s whose %s is %v, which %s", method, field, part, d, wrong)
		}
	}
}

// seen is what there is to say.
func (w *witness) seen() (largest int, of, lease string, leases int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.largest, w.of, w.lease, w.leases
}
