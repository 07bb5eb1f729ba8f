package anthropic

import "net/http"

const versionHeader = "Anthropic-Version"

// head makes the headers fit a body that goes to Anthropic as its client made
// it: where that is of a newer version than the channel's, it says so, and sends
// the key as all versions after the first, 2023-06-01, want it.
func head(h, client http.Header) {
	version := client.Get(versionHeader)
	if version <= h.Get(versionHeader) { // they are dates
		return
	}
	h[versionHeader] = []string{version}
	if key := h.Get("X-Api-Key"); key != "" {
		h.Del("X-Api-Key")
		h["Authorization"] = []string{"Bearer " + key}
	}
}
