package pipeline

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// CacheTTLHeader is how a request says how long its answer may be kept at most,
// and how old one may be that it gets: "90" seconds, "10m", or "0" for no cache
// at all. It only ever shortens the step's ttl.
const CacheTTLHeader = "X-Smartrouter-Cache-Ttl"

// wish is what a request says of the cache.
type wish struct {
	none   bool          // it wants no stored answer, and none stored
	oldest time.Duration // the oldest answer that will do; 0: a new one
	ttl    time.Duration // of its own answer
}

// readWish reads the request directives of RFC 9111, section 5.2.1, that make
// sense here: no-store, no-cache and max-age.
func readWish(h http.Header, ttl time.Duration) (wish, *Rejection) {
	w := wish{oldest: math.MaxInt64, ttl: ttl}
	if own := h.Get(CacheTTLHeader); own != "" {
		d, ok := readTTL(own)
		if !ok {
			return w, &Rejection{
				Status: http.StatusBadRequest, Code: "invalid_header", Param: strings.ToLower(CacheTTLHeader),
				Message: "The header " + strings.ToLower(CacheTTLHeader) + ` must be seconds such as "90", or a duration such as "10m".`,
			}
		}
		w.ttl, w.oldest, w.none = min(ttl, d), d, d == 0
	}
	for _, line := range h["Cache-Control"] {
		for directive := range strings.SplitSeq(line, ",") {
			name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
			switch strings.ToLower(strings.TrimSpace(name)) {
			case "no-store":
				w.none = true
			case "no-cache":
				w.oldest = 0
			case "max-age":
				// What is no number is as good as 0.
				n, err := strconv.ParseUint(strings.Trim(strings.TrimSpace(value), `"`), 10, 31)
				if err != nil {
					n = 0
				}
				w.oldest = min(w.oldest, time.Duration(n)*time.Second)
			}
		}
	}
	return w, nil
}

func readTTL(s string) (time.Duration, bool) {
	s = strings.TrimSpace(s)
	if n, err := strconv.ParseUint(s, 10, 31); err == nil {
		return time.Duration(n) * time.Second, true
	}
	d, err := time.ParseDuration(s)
	return d, err == nil && d >= 0
}
