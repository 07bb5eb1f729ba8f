package upstream

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/hub"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
)

// brought is what a call has at a URL, fetched once for all its targets.
type brought struct {
	found
	err error
}

// bring fetches what a target needs the bytes of, and puts it into the parts.
func (f *forward) bring(ctx context.Context, parts []*hub.Part) error {
	f.fetchAll(ctx, parts)
	for _, p := range parts {
		b := f.brought[string(p.URL)]
		field := p.ByURL()
		err := b.err
		if err == nil && p.Kind == hub.ImagePart && !strings.HasPrefix(b.media, "image/") {
			err = fmt.Errorf("it is %s and no image", b.media)
		}
		if err != nil {
			return &wire.Error{
				Status: http.StatusBadRequest, Type: "invalid_request_error", Code: "unfetchable_url", Param: field.String(),
				Message: fmt.Sprintf("The provider of this model takes no URLs, and what is at %s can't be sent in its place: %s.", shown(unescaped(p.URL)), err),
			}
		}
		p.Bring(b.media, b.body)
	}
	return nil
}

// fetchAll fetches what is not there yet, side by side.
func (f *forward) fetchAll(ctx context.Context, parts []*hub.Part) {
	if f.brought == nil {
		f.brought = make(map[string]*brought, len(parts))
		f.fetchLeft.Store(f.d.fetcher.Load().limits.MaxSize)
	}
	var all sync.WaitGroup
	for _, p := range parts {
		at := string(p.URL)
		if f.brought[at] != nil {
			continue
		}
		b := &brought{}
		f.brought[at] = b
		all.Go(func() { b.found, b.err = f.d.fetcher.Load().fetch(ctx, unescaped(hub.Text(at)), &f.fetchLeft) })
	}
	all.Wait()
}

// unescaped is a text as it reads.
func unescaped(t hub.Text) string {
	s, _ := rawjson.AppendText(nil, t)
	return string(s)
}

// shown is a URL without what may be a secret in it.
func shown(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "a URL that is none"
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return shorten(u.String(), 200)
}
