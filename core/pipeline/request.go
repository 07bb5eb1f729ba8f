package pipeline

import (
	"math/bits"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/smart-ai-router/smartrouter/sdk"
)

// Request is what the steps know of a client's request.
type Request struct {
	// Facts are all of them; a plugin gets those that its manifest reads. Its
	// strings may point into Body: what is kept of them is cloned.
	Facts sdk.Request
	// Fallbacks is the request's own list.
	Fallbacks []string
	// Channel is the only one that can answer, as it keeps what the request
	// goes on from; empty: any.
	Channel string
	// Usage is wanted in the stream.
	Usage bool
	// N is how many choices are wanted, and Temperature how different they are
	// to be.
	N           int
	Temperature float64
	// Header is the client's.
	Header http.Header
	// Format is the wire format that it speaks, by name, and Path what it called.
	Format, Path string
	// Body is valid until the request is answered.
	Body []byte
	// Start is when the request came.
	Start time.Time
}

// factKey is the facts that a plugin reads, comparable.
type factKey struct {
	endpoint    sdk.Endpoint
	key, region string
	headers     string
	prefix      uint64
	now         int64 // minutes
	// shape holds the powers of two of size and tokens, and the four flags.
	shape shape
}

type shape uint32

const (
	shapeStream shape = 1 << (16 + iota)
	shapeTools
	shapeImages
	shapeJSON
)

// reads is a manifest's facts as a mask. The model is not among them: every
// lease is for one.
type reads struct {
	model, endpoint, stream, size, tokens, tools, images, json bool
	key, region, prefix, now                                   bool
	headers                                                    []string // canonical, allowed by the step
}

func newReads(facts []sdk.Fact, allowed []string) reads {
	var r reads
	for _, f := range facts {
		switch f {
		case sdk.FactModel:
			r.model = true
		case sdk.FactEndpoint:
			r.endpoint = true
		case sdk.FactStream:
			r.stream = true
		case sdk.FactSize:
			r.size = true
		case sdk.FactTokens:
			r.tokens = true
		case sdk.FactTools:
			r.tools = true
		case sdk.FactImages:
			r.images = true
		case sdk.FactJSON:
			r.json = true
		case sdk.FactKey:
			r.key = true
		case sdk.FactRegion:
			r.region = true
		case sdk.FactPrefix:
			r.prefix = true
		case sdk.FactNow:
			r.now = true
		default:
			name, ok := f.Header()
			for _, a := range allowed {
				if ok && strings.EqualFold(a, name) {
					r.headers = append(r.headers, http.CanonicalHeaderKey(name))
				}
			}
		}
	}
	return r
}

// log2 is the power of two that n is rounded up to; 0 for n < 1.
func log2(n int64) uint8 {
	if n < 1 {
		return 0
	}
	return uint8(bits.Len64(uint64(n-1))) + 1
}

// roundUp is n rounded up to a power of two: what a plugin sees, so that equal
// leases had equal questions.
func roundUp(n int64) int64 {
	if b := log2(n); b > 0 {
		return 1 << (b - 1)
	}
	return 0
}

// mask takes the facts for a look-up, into an empty k. It allocates only where
// headers are read.
func (r *reads) mask(k *factKey, q *Request) {
	f := &q.Facts
	if r.endpoint {
		k.endpoint = f.Endpoint
	}
	if r.stream && f.Stream {
		k.shape |= shapeStream
	}
	if r.tools && f.Tools {
		k.shape |= shapeTools
	}
	if r.images && f.Images {
		k.shape |= shapeImages
	}
	if r.json && f.JSON {
		k.shape |= shapeJSON
	}
	if r.size {
		k.shape |= shape(log2(f.Size))
	}
	if r.tokens {
		k.shape |= shape(log2(f.Tokens)) << 8
	}
	if r.key {
		k.key = f.Key
	}
	if r.region {
		k.region = f.Region
	}
	if r.prefix {
		k.prefix = f.Prefix
	}
	if r.now {
		k.now = minuteOf(q.Start)
	}
	if len(r.headers) > 0 {
		var b strings.Builder
		for _, name := range r.headers {
			v := q.Header.Get(name)
			b.WriteString(strconv.Itoa(len(v)))
			b.WriteByte(':')
			b.WriteString(v)
		}
		k.headers = b.String()
	}
}

// factsOf masks the facts for a plugin. Nothing in it points into the body.
func (r *reads) factsOf(q *Request, model string) sdk.Request {
	f := &q.Facts
	var out sdk.Request
	if r.model {
		out.Model = model
	}
	if r.endpoint {
		out.Endpoint = f.Endpoint
	}
	out.Stream = r.stream && f.Stream
	out.Tools = r.tools && f.Tools
	out.Images = r.images && f.Images
	out.JSON = r.json && f.JSON
	if r.size {
		out.Size = roundUp(f.Size)
	}
	if r.tokens {
		out.Tokens = roundUp(f.Tokens)
	}
	if r.key {
		out.Key = f.Key
	}
	if r.region {
		out.Region = strings.Clone(f.Region)
	}
	if r.prefix {
		out.Prefix = f.Prefix
	}
	if r.now {
		out.Now = q.Start.UTC().Truncate(time.Minute)
	}
	for _, name := range r.headers {
		if out.Headers == nil {
			out.Headers = make(map[string]string, len(r.headers))
		}
		out.Headers[strings.ToLower(name)] = strings.Clone(q.Header.Get(name))
	}
	return out
}

func minuteOf(t time.Time) int64 { return t.Unix() / 60 }

// hashOf is the value that a tier hashed by the fact is balanced by.
func (q *Request) hashOf(f sdk.Fact) uint64 {
	s := ""
	switch f {
	case sdk.FactPrefix:
		return q.Facts.Prefix
	case sdk.FactStream, sdk.FactSize, sdk.FactTokens, sdk.FactTools, sdk.FactImages, sdk.FactJSON:
		var k factKey
		r := newReads([]sdk.Fact{f}, nil)
		r.mask(&k, q)
		return mix(uint64(k.shape))
	case sdk.FactNow:
		return mix(uint64(minuteOf(q.Start)))
	case sdk.FactModel:
		s = q.Facts.Model
	case sdk.FactEndpoint:
		s = string(q.Facts.Endpoint)
	case sdk.FactKey:
		s = q.Facts.Key
	case sdk.FactRegion:
		s = q.Facts.Region
	default:
		if name, ok := f.Header(); ok {
			s = q.Header.Get(name)
		}
	}
	return fnv64(s)
}

// fnv64 is FNV-1a: equal in every router, unlike maphash.
func fnv64(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return h
}
