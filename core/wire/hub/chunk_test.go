package hub_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/smart-ai-router/smartrouter/core/wire/hub"
)

// Calls are numbered from 0 on, whatever their provider calls them.
func TestCallsOfAStreamAreNumbered(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		chunks []string // the calls of each, as index id name
		want   string   // the number of each
	}{
		{name: "one", chunks: []string{"0 a f", "0 - -", "0 - -"}, want: "0 0 0"},
		{name: "in turns", chunks: []string{"0 a f, 1 b g", "1 - -, 0 - -", "2 c f", "0 - -, 2 - -"}, want: "0 1 1 0 2 0 2"},
		{name: "from 1 on", chunks: []string{"1 a f", "1 - -", "2 b g", "1 - -, 2 - -"}, want: "0 0 1 0 1"},
		{name: "with a gap", chunks: []string{"0 a f", "7 b g", "7 - -", "0 - -"}, want: "0 1 1 0"},
		{name: "below 0", chunks: []string{"-1 a f", "-1 - -"}, want: "0 0"},
		{name: "all at 0", chunks: []string{"0 a f", "0 b f", "0 - -", "0 c g"}, want: "0 1 1 2"},
		{name: "all at 0 in one chunk", chunks: []string{"0 a f, 0 b g", "0 - -"}, want: "0 1 1"},
		{name: "all at 0, in turns", chunks: []string{"0 a f", "0 b g", "0 a -", "0 - -", "0 b g", "0 - -"}, want: "0 1 0 0 1 1"},
		{name: "named again", chunks: []string{"0 a f", "0 a f", "0 a -"}, want: "0 0 0"},
		{name: "another id for each piece", chunks: []string{"0 a f", "0 b -", "0 c -"}, want: "0 0 0"},
		{name: "named late", chunks: []string{"0 - -", "0 a f", "0 - -"}, want: "0 0 0"},
		{name: "no ids", chunks: []string{"0 - f", "0 - -", "1 - g", "1 - -"}, want: "0 0 1 1"},
		{name: "one id for two", chunks: []string{"0 a f", "1 a f", "0 - -"}, want: "0 1 0"},
	} {
		var k hub.Chunk
		var got []string
		for _, chunk := range tc.chunks {
			// The second choice's calls are its own, whatever the first has.
			var first []string
			for _, c := range strings.Split(chunk, ", ") {
				var index, id, name string
				if _, err := fmt.Sscan(c, &index, &id, &name); err != nil {
					t.Fatal(err)
				}
				call := `{"index":` + index
				if id != "-" {
					call += `,"id":"` + id + `"`
				}
				if name != "-" {
					call += `,"function":{"name":"` + name + `"}`
				}
				first = append(first, call+"}")
			}
			data := `{"choices":[{"delta":{"tool_calls":[{"index":3,"id":"z","function":{"name":"h"}}]},"index":0},{"delta":{"tool_calls":[` + strings.Join(first, ",") + `]},"index":1}]}`
			k.Read([]byte(data))
			if other := k.Calls(&k.Deltas[0]); other[0].Index != 0 {
				t.Errorf("%s: the other choice's is number %d", tc.name, other[0].Index)
			}
			for _, c := range k.Calls(&k.Deltas[1]) {
				got = append(got, fmt.Sprint(c.Index))
			}
		}
		if s := strings.Join(got, " "); s != tc.want {
			t.Errorf("%s: numbered %s, want %s", tc.name, s, tc.want)
		}
	}
}
