package conform

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/smart-ai-router/smartrouter/sdk"
	"github.com/smart-ai-router/smartrouter/sdk/proto"
)

const namespace = "conform"

// kept is the entry that a kill -9 must not cost.
var kept = sdk.Entry{Namespace: namespace, Key: "kept", Value: []byte("acknowledged")}

func entry(n int) sdk.Entry {
	return sdk.Entry{
		Namespace: namespace, Key: fmt.Sprintf("key-%d", n), Value: bytes.Repeat([]byte{byte(n)}, 1000),
		Expires: time.Now().Add(time.Hour),
	}
}

// cacheAsker puts and gets. Questions repeat, so that what is kept does not grow.
func cacheAsker(s *session) *asker {
	c := s.plugin.Cache()
	return &asker{
		kind: sdk.KindCache, timeout: 50 * time.Millisecond, service: &proto.Cache_ServiceDesc,
		usual: func(ctx context.Context, n int) (any, error) {
			e := entry(n % questions)
			// Mostly read, as in a router.
			if n%10 == 0 || n < questions {
				if err := c.Put(ctx, e); err != nil {
					return nil, err
				}
			}
			got, found, err := c.Get(ctx, e.Namespace, e.Key)
			if err == nil && found && !bytes.Equal(got.Value, e.Value) {
				err = errors.New("get answers another value than was put")
			}
			return found, err
		},
		large: func(ctx context.Context, size int) error {
			e := sdk.Entry{Namespace: namespace, Key: "large", Value: bytes.Repeat([]byte("x"), size), Expires: time.Now().Add(time.Hour)}
			if err := c.Put(ctx, e); err != nil {
				return err
			}
			got, found, err := c.Get(ctx, e.Namespace, e.Key)
			if err == nil && (!found || !bytes.Equal(got.Value, e.Value)) {
				err = status.Error(codes.DataLoss, "put took the value, and get does not answer it")
			}
			return errors.Join(err, c.Delete(ctx, e.Namespace, e.Key))
		},
		odd: map[string]func(context.Context) error{
			"an entry of nothing": func(ctx context.Context) error { return c.Put(ctx, sdk.Entry{}) },
			"no entries":          func(ctx context.Context) error { return c.Put(ctx) },
			"an entry of the past": func(ctx context.Context) error {
				e := entry(100)
				e.Expires = time.Now().Add(-time.Hour)
				if err := c.Put(ctx, e); err != nil {
					return err
				}
				if _, found, err := c.Get(ctx, e.Namespace, e.Key); found {
					return status.Error(codes.DataLoss, "an entry that has expired is answered")
				} else if err != nil {
					return err
				}
				return nil
			},
			"a counter that lives for less than no time": func(ctx context.Context) error {
				_, err := c.Add(ctx, namespace, "counter", math.MaxInt64, -time.Hour)
				return err
			},
			"a cursor that is none": func(ctx context.Context) error {
				_, err := c.Changes(ctx, sdk.ChangesQuery{Cursor: "\x01 no cursor", Limit: -5})
				return err
			},
			"a key that is not there": func(ctx context.Context) error {
				if _, found, err := c.Get(ctx, namespace, "never put"); found {
					return status.Error(codes.DataLoss, "a key is answered that was never put")
				} else if err != nil {
					return err
				}
				return c.Delete(ctx, "nowhere", "nothing")
			},
		},
	}
}
