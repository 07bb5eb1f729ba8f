package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/core/h1"
	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/openai"
)

// failure is why a target gave no answer.
type failure struct {
	class board.Class
	// reason is for operators, err for the client, in the upstream's own words
	// where it said any.
	reason string
	err    wire.Error
	// retryAfter is the upstream's hint; 0: none.
	retryAfter time.Duration
	// again: the target may do better soon, and deserves a second chance.
	again bool
	// ours: the request itself is wrong, and no other target would say
	// anything else.
	ours bool
	// overflow: ours, but a model with a larger context may take it.
	overflow bool
	// busy: nothing was sent, as there was no place.
	busy bool
}

// late is a time-out, as the cause of a cancelled attempt.
type late struct{ what string }

func (l *late) Error() string { return l.what }

var (
	errFirstToken = &late{"no content in time"}
	errIdle       = &late{"silent in the middle of its answer"}
	errRead       = &late{"not answered in time"}
	errRescueTime = &late{"not as far as the client was, when the time for a rescue was over"}
	// errDrain ends the reading of what nobody needs any more.
	errDrain = &late{"did not end"}
)

// judgeAnswer says what an error answer means, by the table of the board:
//
//	401, 403               Auth, unless it speaks of a rate, a quota or a model
//	402, 429 of a quota    Quota
//	429                    RateLimit
//	404, unknown model     NotFound
//	408, 5xx, 3xx          Upstream
//	other 4xx              the request itself is wrong
func judgeAnswer(read failureReader, status int, header http.Header, body []byte) *failure {
	w := read(status, header, body)
	f := &failure{err: w.Error, retryAfter: w.RetryAfter}
	switch {
	case w.Hint == wire.ContentFiltered, w.Hint == wire.ContextTooLong:
		f.ours, f.overflow = true, w.Hint == wire.ContextTooLong
	case w.Hint == wire.QuotaExhausted, status == http.StatusPaymentRequired:
		f.class = board.Quota
	case status == http.StatusTooManyRequests, w.Hint == wire.RateLimited:
		f.class, f.again = board.RateLimit, true
		if f.retryAfter == 0 {
			f.retryAfter = resetOf(header)
		}
	case w.Hint == wire.ModelMissing, status == http.StatusNotFound:
		f.class = board.NotFound
	case w.Hint == wire.BadKey, status == http.StatusUnauthorized, status == http.StatusForbidden:
		f.class = board.Auth
	case w.Hint == wire.WrongURL:
		f.class = board.NotFound
	case status >= 500, status == http.StatusRequestTimeout, w.Hint == wire.Overloaded:
		f.class, f.again = board.Upstream, true
	case status >= 400:
		f.ours = true
	default:
		f.class = board.Upstream
	}
	f.reason = strconv.Itoa(status)
	if w.Message != "" {
		f.reason += ": " + w.Message
	}
	return f
}

// judgeError says what an error object means that came with a 200 or as an
// event. Some gateways put the status into its code.
func judgeError(read failureReader, header http.Header, body []byte, e *wire.Error) *failure {
	status := http.StatusBadGateway
	if n, err := strconv.Atoi(e.Code); err == nil && n >= 400 && n < 600 {
		status = n
	} else if e.Type == "invalid_request_error" && e.Code == "" {
		status = http.StatusBadRequest
	} else if h := read(http.StatusOK, header, body).Hint; h != wire.NoHint {
		status = statusOf[h]
	}
	f := judgeAnswer(read, status, header, body)
	f.reason = "an error instead of an answer: " + f.reason
	return f
}

var statusOf = map[wire.Hint]int{
	wire.RateLimited:     http.StatusTooManyRequests,
	wire.QuotaExhausted:  http.StatusPaymentRequired,
	wire.BadKey:          http.StatusUnauthorized,
	wire.ModelMissing:    http.StatusNotFound,
	wire.WrongURL:        http.StatusNotFound,
	wire.ContextTooLong:  http.StatusBadRequest,
	wire.ContentFiltered: http.StatusBadRequest,
	wire.Overloaded:      http.StatusServiceUnavailable,
}

// judgeNetwork says what it means that there was no answer, or no whole one.
// sent is set once the connection was there.
func judgeNetwork(ctx context.Context, err error, sent bool) *failure {
	var over *late
	var connect errConnect
	var netErr net.Error
	switch {
	case errors.As(h1.Cause(ctx), &over):
		return &failure{class: board.Timeout, reason: over.what}
	case errors.As(err, &connect) && errors.As(err, &netErr) && netErr.Timeout():
		return &failure{class: board.Connect, reason: "not connected in time"}
	case errors.As(err, &connect):
		return &failure{class: board.Connect, reason: connect.error.Error()}
	case errors.Is(err, errWrite):
		return &failure{class: board.Timeout, reason: errWrite.Error()}
	case broken(err):
		return &failure{class: board.Connect, reason: "the connection broke: " + err.Error(), again: true}
	case sent:
		return &failure{class: board.Upstream, reason: err.Error()}
	}
	return &failure{class: board.Connect, reason: err.Error()}
}

// broken tells whether a connection ended under a request. net/http's error for
// one that the other side closed while it was idle has no name.
func broken(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, net.ErrClosed) ||
		strings.Contains(err.Error(), "server closed idle connection") ||
		strings.Contains(err.Error(), "http2: client connection") || // lost or force closed
		strings.Contains(err.Error(), "http2: server sent GOAWAY")
}

// resetOf is when the limit that was reached opens again, by the x-ratelimit
// headers of OpenAI ("1s", "6m0s") and Azure (seconds; -1 for unknown).
func resetOf(h http.Header) time.Duration {
	var wait time.Duration
	for _, what := range [...]string{"Requests", "Tokens"} {
		if left := h.Get("X-Ratelimit-Remaining-" + what); left != "" && left != "0" {
			continue
		}
		v := h.Get("X-Ratelimit-Reset-" + what)
		d, err := time.ParseDuration(v)
		if err != nil {
			s, err := strconv.ParseFloat(v, 64)
			if err != nil || math.IsNaN(s) || s > maxReset.Seconds() {
				continue
			}
			d = time.Duration(s * float64(time.Second))
		}
		if d <= maxReset {
			wait = max(wait, d)
		}
	}
	return wait
}

// maxReset is the longest reset that is believed; beyond it the number is a
// date or nonsense.
const maxReset = 7 * 24 * time.Hour

// tell is the error for the client when no target answered: of the failure that
// says most about when to come back. It names no upstream's address, and an
// upstream's refusal of our key does not look like one of the client's.
func tell(failures []failure, model string) (*wire.Error, time.Duration) {
	var best *failure
	var wait time.Duration
	for i := range failures {
		f := &failures[i]
		if best == nil || rank(f) <= rank(best) {
			best = f
		}
		if f.retryAfter > 0 && (wait == 0 || f.retryAfter < wait) {
			wait = f.retryAfter
		}
	}
	if best == nil {
		e := openai.Fault(http.StatusServiceUnavailable, "No channel can take the model `"+model+"` at the moment.")
		e.Code = "no_target_available"
		return e, 0
	}
	said := ""
	if best.err.Message != "" {
		said = " It says: " + shorten(best.err.Message, 300)
	}
	switch {
	case best.busy:
		e := openai.Fault(http.StatusTooManyRequests, "Every upstream that has the model is busy, and too many requests wait.")
		e.Code = "router_busy"
		return e, max(wait, shortestRetry)
	case best.class == board.RateLimit:
		return openai.Fault(http.StatusTooManyRequests, "Every upstream that has the model limits its rate now."+said), wait
	case best.class == board.Upstream:
		status := http.StatusBadGateway
		switch said := best.err.Status; {
		case said == 529:
			status = http.StatusServiceUnavailable
		case said >= http.StatusInternalServerError && said <= http.StatusGatewayTimeout:
			status = said
		}
		return openai.Fault(status, "The upstream failed to answer."+said), wait
	case best.class == board.Timeout:
		return openai.Fault(http.StatusGatewayTimeout, "The upstream did not answer in time."), wait
	case best.class == board.Connect:
		return openai.Fault(http.StatusBadGateway, "The upstream could not be reached."), wait
	case best.class == board.Quota:
		return openai.NoQuota("The quota of every upstream that has the model is used up." + said), wait
	case best.class == board.NotFound:
		e := openai.NoModel(model)
		if best.err.Message != "" {
			e.Message = shorten(best.err.Message, 300)
		}
		return e, 0
	case best.class == board.Auth:
		e := openai.Fault(http.StatusBadGateway, "The upstream does not accept the router's credential. This is for the router's operator to mend.")
		e.Code = "upstream_auth"
		return e, 0
	}
	e := best.err
	if e.Status == 0 {
		e = *openai.Fault(http.StatusServiceUnavailable, "The request could not be prepared for any upstream.")
	}
	return &e, wait
}

// rank orders failures by what a client learns from them, best first.
func rank(f *failure) int {
	if f.busy {
		return 4
	}
	switch f.class {
	case board.Upstream:
		return 0
	case board.Timeout:
		return 1
	case board.RateLimit:
		return 2
	case board.Connect:
		return 3
	case board.Quota:
		return 5
	case board.NotFound:
		return 6
	case board.Auth:
		return 7
	}
	return 8
}

// shorten cuts a text to at most n bytes and its control characters out.
func shorten(s string, n int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == utf8.RuneError {
			return ' '
		}
		return r
	}, s)
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

// unexpected describes an answer of the wrong kind.
func unexpected(what string, args ...any) *failure {
	return &failure{class: board.Upstream, reason: fmt.Sprintf(what, args...), again: true}
}

// asFault is a refusal in OpenAI's form.
func asFault(why *failure, secrets []string) *wire.Error {
	e := why.err
	if e.Message == "" {
		e.Message = "The upstream refused the request."
	}
	e.Message = shorten(scrub(e.Message, secrets...), 1000)
	if e.Type == "" {
		e.Type = "invalid_request_error"
	}
	return &e
}
