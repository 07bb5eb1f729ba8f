package smart

import (
	"net/netip"
	"net/url"
	"strings"

	"github.com/smart-ai-router/smartrouter/sdk"
)

// isFree: a tag says so, or the price is zero, or no price is known of a model
// that its name calls free or that runs on this machine.
func isFree(c *sdk.Candidate, t traits) bool {
	switch {
	case tagged(c.Channel, "free"):
		return true
	case t.price >= 0:
		return t.price == 0
	default:
		return t.local || strings.HasSuffix(c.Model, ":free")
	}
}

// isLocal: a tag says so, or the base URL is on this machine.
func isLocal(ch *sdk.Channel) bool {
	if ch == nil {
		return false
	}
	if tagged(ch, "local") {
		return true
	}
	u, err := url.Parse(ch.BaseURL)
	if err != nil {
		return false
	}
	host := u.Hostname()
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

func tagged(ch *sdk.Channel, tag string) bool {
	if ch == nil {
		return false
	}
	for _, t := range ch.Tags {
		if strings.EqualFold(t, tag) {
			return true
		}
	}
	return false
}

// parameters reads the number of parameters, in billions, from a model's name:
// "llama3.1:8b" is 8, "mixtral-8x7b" 56, "smollm-135m" 0.135, "kimi-k2-1t"
// 1000. The largest counts, so "qwen3-235b-a22b" is 235. Zero: it does not say.
func parameters(model string) float64 {
	var largest float64
	for start := 0; start < len(model); {
		end := start
		for end < len(model) && !separates(model[end]) {
			end++
		}
		largest = max(largest, sizeOf(model[start:end]))
		start = end + 1
	}
	return largest
}

func separates(c byte) bool {
	switch c {
	case '/', ':', '@', '-', '_', ',', ' ':
		return true
	}
	return false
}

// sizeOf reads one word of a model's name: "7b", "1.5B", "8x7b", "350m", "1t".
func sizeOf(word string) float64 {
	if len(word) < 2 || !isDigit(word[0]) {
		return 0
	}
	var unit float64
	switch word[len(word)-1] {
	case 'b', 'B':
		unit = 1
	case 'm', 'M':
		unit = 1e-3
	case 't', 'T':
		unit = 1e3
	default:
		return 0
	}
	digits := word[:len(word)-1]
	experts := 1.0
	if n, each, ok := strings.Cut(digits, "x"); ok {
		if experts, ok = decimal(n); !ok {
			return 0
		}
		digits = each
	}
	n, ok := decimal(digits)
	if !ok {
		return 0
	}
	return experts * n * unit
}

// decimal reads digits with at most one point. [strconv.ParseFloat] would take
// "1e9" and "0x1p4" too, which are no sizes.
func decimal(s string) (float64, bool) {
	var n float64
	scale := 0.0
	for i := range len(s) {
		switch {
		case isDigit(s[i]):
			n = n*10 + float64(s[i]-'0')
			scale *= 10
		case s[i] == '.' && scale == 0 && i > 0:
			scale = 1
		default:
			return 0, false
		}
	}
	if scale > 0 {
		n /= scale
	}
	return n, len(s) > 0 && len(s) <= 9
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
