package lane

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestCallContext(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		timeout time.Duration
		end     func(call *callContext, stream context.CancelFunc)
		want    error
	}{
		{name: "canceled", timeout: time.Hour, end: func(c *callContext, _ context.CancelFunc) { c.cancel() }, want: context.Canceled},
		{name: "canceled without deadline", end: func(c *callContext, _ context.CancelFunc) { c.cancel() }, want: context.Canceled},
		{name: "stream ended", end: func(_ *callContext, stop context.CancelFunc) { stop() }, want: context.Canceled},
		{name: "deadline", timeout: time.Second, end: func(*callContext, context.CancelFunc) { time.Sleep(time.Second) }, want: context.DeadlineExceeded},
		{name: "canceled after deadline", timeout: time.Second, end: func(c *callContext, _ context.CancelFunc) { time.Sleep(2 * time.Second); c.cancel() }, want: context.DeadlineExceeded},
		{name: "deadline after cancel", timeout: time.Second, end: func(c *callContext, _ context.CancelFunc) { c.cancel(); time.Sleep(2 * time.Second) }, want: context.Canceled},
	} {
		for _, watched := range []bool{false, true} {
			name := tc.name + ", never looked at"
			if watched {
				name = tc.name + ", with a child"
			}
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { // sleeps take no time in here
					type key struct{}
					stream, stop := context.WithCancel(context.WithValue(context.Background(), key{}, "v"))
					defer stop()
					ctx := newCallContext(stream, tc.timeout)
					defer ctx.cancel()
					var child context.Context = ctx
					if watched {
						var stopChild func()
						child, stopChild = context.WithCancel(ctx)
						defer stopChild()
					}
					if err := ctx.Err(); err != nil {
						t.Fatalf("ended from the start: %v", err)
					}
					if _, ok := ctx.Deadline(); ok != (tc.timeout > 0) {
						t.Errorf("deadline %v", ok)
					}
					tc.end(ctx, stop)
					synctest.Wait()
					if err := ctx.Err(); !errors.Is(err, tc.want) {
						t.Errorf("Err is %v, want %v", err, tc.want)
					}
					<-ctx.Done()
					<-child.Done()
					if err := ctx.Err(); !errors.Is(err, tc.want) {
						t.Errorf("after Done, Err is %v, want %v", err, tc.want)
					}
					if err := context.Cause(child); !errors.Is(err, tc.want) {
						t.Errorf("the cause is %v, want %v", err, tc.want)
					}
					if ctx.Value(key{}) != "v" {
						t.Error("the stream's values are lost")
					}
				})
			})
		}
	}
}
