package upstream

import (
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/smart-ai-router/smartrouter/core/wire/openai"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// errTaken is what a transport reads that still sends a body after its attempt
// has ended.
var errTaken = errors.New("the request has ended")

// source lends a request's bytes to the transport, which may go on reading
// after the answer is there. The bytes belong to a pool: they are taken back
// at the attempt's end, whatever the transport does.
type source struct {
	mu    sync.Mutex
	data  []byte
	taken bool
	watch *watch // touched by every read: a slow way up is no silence; may be nil
}

// reader reads the source from its start.
func (s *source) reader() (io.ReadCloser, error) { return &reader{source: s}, nil }

func (s *source) take() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.data, s.taken = nil, true
}

type reader struct {
	source *source
	at     int
}

func (r *reader) Read(p []byte) (int, error) {
	s := r.source
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken {
		return 0, errTaken
	}
	n := copy(p, s.data[r.at:])
	r.at += n
	if s.watch != nil {
		s.watch.touch()
	}
	if r.at == len(s.data) {
		return n, io.EOF
	}
	return n, nil
}

func (*reader) Close() error { return nil }

// outgoing is the body as the target is to get it: the client's own bytes where
// nothing has to be changed, else appended to dst.
func outgoing(dst []byte, c *Call, model string, p *sdk.Prepared) ([]byte, error) {
	if openai.IsForm(c.ContentType) {
		if model == c.Request.Model && len(c.Request.Fallbacks) == 0 {
			return c.Body, nil
		}
		return openai.SpliceForm(dst, c.ContentType, c.Body, model)
	}
	var room [8]rawjson.Edit
	edits := openai.Outgoing(room[:0], c.Body, c.Request, model, c.Rules.AskUsage)
	edits, err := appendEdits(edits, p.Edits)
	if err != nil {
		return nil, err
	}
	if len(edits) == 0 {
		return c.Body, nil
	}
	return rawjson.Splice(dst, c.Body, edits)
}

func appendEdits(edits []rawjson.Edit, more []sdk.Edit) ([]rawjson.Edit, error) {
	for i := range more {
		e := rawjson.Edit{Key: more[i].Field, Value: more[i].Value, To: more[i].To}
		switch more[i].Op {
		case sdk.EditSet:
			e.Op = rawjson.Set
		case sdk.EditDefault:
			e.Op = rawjson.Default
		case sdk.EditRename:
			e.Op = rawjson.Rename
		case sdk.EditDelete:
			e.Op = rawjson.Delete
		default:
			return nil, fmt.Errorf("the adapter wants the unknown edit %q", more[i].Op)
		}
		if (e.Op == rawjson.Set || e.Op == rawjson.Default) && !rawjson.Valid(e.Value) {
			return nil, fmt.Errorf("the adapter's value of %q is no JSON", e.Key)
		}
		edits = append(edits, e)
	}
	return edits, nil
}
