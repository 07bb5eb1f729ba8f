package fleet

import (
	"fmt"
	"testing"
)

func TestFair(t *testing.T) {
	t.Parallel()
	p := func(id string, wanted, ticket int64) party {
		return party{id, claim{Wanted: wanted, Least: 1, Ticket: ticket}}
	}
	// big needs 40 at once.
	big := func(id string, spent, wanted, ticket int64) party {
		return party{id, claim{Spent: spent, Wanted: wanted, Least: 40, Ticket: ticket}}
	}
	tests := []struct {
		name    string
		limit   int64
		parties []party
		want    string
	}{
		{"nobody wants", 9, []party{p("a", 0, 0), p("b", 0, 0), p("c", 0, 0)}, "map[a:3 b:3 c:3]"},
		{"one wants all", 9, []party{p("a", 0, 0), p("b", 20, 0), p("c", 0, 0)}, "map[b:9]"},
		{"one wants some", 9, []party{p("a", 0, 0), p("b", 5, 0), p("c", 1, 0)}, "map[a:1 b:6 c:2]"},
		{"all want more", 10, []party{p("a", 20, 0), p("b", 20, 1), p("c", 20, 0)}, "map[a:3 b:4 c:3]"},
		{"one wants little", 10, []party{p("a", 20, 0), p("b", 1, 0), p("c", 20, 1)}, "map[a:4 b:1 c:5]"},
		{"whose turn it is", 1, []party{p("a", 2, 0), p("b", 2, 1)}, "map[b:1]"},
		{"an equal part is of no use", 100, []party{big("a", 0, 400, 0), big("b", 0, 400, 2), big("c", 0, 400, 9)}, "map[a:20 b:40 c:40]"},
		{"more is spent than an equal part", 100, []party{big("a", 60, 440, 1), big("b", 20, 430, 2), p("c", 50, 3)}, "map[a:30 b:40 c:30]"},
		{"one wants all of many", 12, []party{p("a", 0, 0), p("b", 20, 1), p("c", 0, 0)}, "map[a:1 b:10 c:1]"},
		{"nobody wants more than is spent", 100, []party{big("a", 40, 40, 0), p("b", 0, 0)}, "map[a:69 b:31]"},
		{"nothing is there", 0, []party{p("a", 2, 0)}, "map[]"},
		{"less than nothing", -3, []party{p("a", 2, 0)}, "map[]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := fmt.Sprint(fair(tt.limit, tt.parties)); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}
