package main

import (
	"math"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestPercentile(t *testing.T) {
	t.Parallel()
	hundred := make([]time.Duration, 100)
	for i := range hundred {
		hundred[i] = time.Duration(i + 1)
	}
	for _, c := range []struct {
		name   string
		sorted []time.Duration
		p      float64
		want   time.Duration
	}{
		{name: "none", sorted: nil, p: .5, want: 0},
		{name: "one", sorted: hundred[:1], p: .99, want: 1},
		{name: "lower middle", sorted: hundred[:4], p: .5, want: 2},
		{name: "middle", sorted: hundred[:5], p: .5, want: 3},
		{name: "tail", sorted: hundred, p: .99, want: 99},
		{name: "smallest", sorted: hundred, p: 0, want: 1},
		{name: "largest", sorted: hundred, p: 1, want: 100},
	} {
		if got := percentile(c.sorted, c.p); got != c.want {
			t.Errorf("%s: got %d, want %d", c.name, got, c.want)
		}
	}
}

func TestMedian(t *testing.T) {
	t.Parallel()
	if got := median([]float64{9, 1, 2}); got != 2 {
		t.Errorf("odd: %v", got)
	}
	if got := median([]float64{4, 1, 2, 9}); got != 3 {
		t.Errorf("even: %v", got)
	}
	if got := median(nil); !math.IsNaN(got) {
		t.Errorf("none: %v", got)
	}
}

// The machine was half as fast in the second round: that must not show.
func TestRatiosAreTakenWithinARound(t *testing.T) {
	t.Parallel()
	r := runs{Samples: map[string][]sample{
		direct: {{P50: 10}, {P50: 20}, {P50: 10}},
		floor:  {{PerSecond: 1000}, {PerSecond: 500}, {PerSecond: 1000}},
		us:     {{PerSecond: 1300, P50: 110}, {PerSecond: 650, P50: 120}, {PerSecond: 1400, P50: 90}},
	}}
	if got := r.ratio(us, rate); got != 1.3 {
		t.Errorf("ratio %v", got)
	}
	if got := r.added(us, p50); got != 100 {
		t.Errorf("added %v", got)
	}
	if got := r.middle(us, rate); got != 1300 {
		t.Errorf("middle %v", got)
	}
}

func TestSummarizeCountsStreamsByChunk(t *testing.T) {
	t.Parallel()
	ms := func(n ...time.Duration) (l []time.Duration) {
		for _, v := range n {
			l = append(l, v*time.Millisecond)
		}
		return l
	}
	tallies := []tally{{latencies: ms(3, 1), chunks: 200}, {latencies: ms(2), chunks: 100, errors: 1, err: errNotHTTP}}
	w := watched{wall: 2 * time.Second, cpu: 300 * time.Millisecond}
	s := summarize(tallies, true, w)
	if s.Requests != 3 || s.Errors != 1 || s.Error == "" || s.PerSecond != 150 || s.P50 != 2000 || s.P99 != 3000 || s.CPU != 1000 {
		t.Errorf("%+v", s)
	}
	if s = summarize(tallies, false, w); s.PerSecond != 1.5 || s.CPU != 1e5 {
		t.Errorf("by request: %+v", s)
	}
}

func TestSum(t *testing.T) {
	t.Parallel()
	const metrics = `# HELP calls_total Calls.
# TYPE calls_total counter
calls_total{plugin="a b",method="Select"} 3
calls_total{plugin="}"} 4.5
calls_total_of_another 100
calls_total 1e1 1700000000
`
	if got, err := sum(strings.NewReader(metrics), "calls_total"); got != 17.5 || err != nil {
		t.Errorf("%v, %v", got, err)
	}
	for _, broken := range []string{"calls_total{a=\"b\"}", "calls_total many"} {
		if _, err := sum(strings.NewReader(broken), "calls_total"); err == nil {
			t.Errorf("%q is not a metric", broken)
		}
	}
}

// What clients get from the mock, and from the mock through the floor.
func TestClientsAreAnswered(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go serveUpstream(l)
	proxy := httptest.NewServer(reverseProxy("http", l.Addr().String()))
	defer proxy.Close()
	all, err := loads("1")
	if err != nil {
		t.Fatal(err)
	}
	for _, to := range []target{{name: direct, addr: l.Addr().String()}, {name: floor, addr: proxy.Listener.Addr().String()}} {
		for _, load := range all {
			c := newClient(to, load, 7, time.Now().Add(10*time.Second))
			first := string(c.request)
			for i := range 2 { // the second over the same connection
				a, err := c.do()
				if err != nil {
					t.Fatalf("%s, %s: %v", to.name, load.Name, err)
				}
				if load.Stream && a.first.IsZero() {
					t.Errorf("%s: no first event", to.name)
				}
				if (string(c.request) == first) != (load.same && i > 0) {
					t.Errorf("%s: equal requests: %t", load.Name, string(c.request) == first)
				}
				first = string(c.request)
			}
			if head, body, _ := strings.Cut(first, "\r\n\r\n"); len(body) != load.body || c.conn == nil {
				t.Errorf("%s, %s: %d bytes, connection %v; %s", to.name, load.Name, len(body), c.conn, head)
			}
			c.hangUp()
		}
	}
}

func TestClientsSeeWhatIsBroken(t *testing.T) {
	t.Parallel()
	stream := "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	for _, c := range []struct{ name, answer, want string }{
		{name: "refused", answer: "HTTP/1.1 503 No\r\nContent-Length: 4\r\n\r\nbusy", want: "status 503: busy"},
		{name: "closed", answer: "", want: "no answer: EOF"},
		{name: "half a stream", answer: stream + "8\r\ndata: 1\n\r\n0\r\n\r\n", want: "a broken stream: 1 of 100 chunks, [DONE] came: false"},
		{name: "cut", answer: stream + "8\r\ndata: 1\n\r\n", want: "unexpected EOF"},
		{name: "another protocol", answer: "SSH-2.0-OpenSSH_9.6\r\n", want: errNotHTTP.Error()},
		{name: "of unknown length", answer: "HTTP/1.1 200 OK\r\nServer: x\r\n\r\n", want: errNotHTTP.Error()},
	} {
		here, there := net.Pipe()
		go func() {
			there.Read(make([]byte, 4096))
			there.Write([]byte(c.answer))
			there.Close()
		}()
		client := newClient(target{addr: "pipe"}, load{Stream: true, body: 512}, 1, time.Time{})
		client.conn = here
		client.in, client.events = newReaders(here)
		if _, err := client.do(); err == nil || err.Error() != c.want {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
		if client.conn != nil {
			t.Errorf("%s: the connection is used again", c.name)
		}
	}
}
