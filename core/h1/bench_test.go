package h1

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// serveVariable makes the test's program a server, so that a benchmark's
// figures are the client's alone.
const serveVariable = "H1_BENCH_SERVER"

func init() {
	if os.Getenv(serveVariable) == "" {
		return
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(l.Addr())
	answer := []byte("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\n" +
		"X-Request-Id: req_0123456789\r\nX-Ratelimit-Remaining-Tokens: 149984\r\nContent-Length: 1024\r\n\r\n" + strings.Repeat("x", 1024))
	for {
		c, err := l.Accept()
		if err != nil {
			os.Exit(0)
		}
		go func() {
			b := make([]byte, 512<<10)
			n, want := 0, 0
			for {
				m, err := c.Read(b[n:])
				if err != nil {
					c.Close()
					return
				}
				n += m
				if want == 0 { // all requests of a connection are alike
					head, _, ok := strings.Cut(string(b[:n]), "\r\n\r\n")
					if !ok {
						continue
					}
					_, length, _ := strings.Cut(head, "Content-Length: ")
					length, _, _ = strings.Cut(length, "\r\n")
					fmt.Sscan(length, &want)
					want += len(head) + 4
				}
				if n >= want {
					n = 0
					c.Write(answer)
				}
			}
		}()
	}
}

func benchServer(b *testing.B) string {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), serveVariable+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	var addr string
	if _, err := fmt.Fscanln(out, &addr); err != nil {
		b.Fatal(err)
	}
	return addr
}

// BenchmarkClient compares with net/http's Transport: time and allocations by
// the testing package, CPU of this process beside them.
func BenchmarkClient(b *testing.B) {
	addr := benchServer(b)
	for _, size := range []int{1 << 10, 256 << 10} {
		for _, callers := range []int{1, 16, 128} {
			body := bytes.Repeat([]byte("x"), size)
			header := http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer sk-0123456789"}, "User-Agent": {"bench"}, "Accept-Encoding": {"identity"}}
			own := clientOf(b, Options{MaxIdle: 256, WriteTimeout: 30 * time.Second}, addr)
			bench(b, "own", size, callers, func(ctx context.Context) (io.ReadCloser, error) {
				res, err := own.Do(ctx, &Request{Method: "POST", Target: "/v1/chat", Host: "example.com", Header: header, Body: body})
				if err != nil {
					return nil, err
				}
				return res.Body, nil
			})
			theirs := &http.Transport{MaxIdleConnsPerHost: 256, DisableCompression: true}
			bench(b, "nethttp", size, callers, func(ctx context.Context) (io.ReadCloser, error) {
				q, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr+"/v1/chat", bytes.NewReader(body))
				if err != nil {
					return nil, err
				}
				q.Header = header
				res, err := theirs.RoundTrip(q)
				if err != nil {
					return nil, err
				}
				return res.Body, nil
			})
			theirs.CloseIdleConnections()
		}
	}
}

func bench(b *testing.B, name string, size, callers int, do func(context.Context) (io.ReadCloser, error)) {
	b.Run(fmt.Sprintf("%s/%dKB/c%d", name, size>>10, callers), func(b *testing.B) {
		b.ReportAllocs()
		slots := make(chan []byte, callers)
		for range callers {
			slots <- make([]byte, 8<<10)
		}
		b.SetParallelism(callers)
		before := cpu(b)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				buf := <-slots
				ctx, cancel := context.WithCancel(b.Context())
				body, err := do(ctx)
				if err != nil {
					b.Error(err)
					cancel()
					return
				}
				for err == nil {
					_, err = body.Read(buf)
				}
				body.Close()
				cancel()
				slots <- buf
			}
		})
		b.ReportMetric(float64(cpu(b)-before)/float64(b.N)/1e3, "cpu-us/op")
	})
}

// cpu is how many nanoseconds of it this process has used.
func cpu(b *testing.B) int64 {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}
