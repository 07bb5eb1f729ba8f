package pipeline

import (
	"context"
	"time"

	"github.com/smart-ai-router/smartrouter/sdk"
)

const (
	// keepQueue bounds the answers that wait to be written; over it they are
	// not kept.
	keepQueue = 1024
	// keepBatch bounds one write.
	keepBatch = 64
	// keepTries and keepRetry are how often a write is tried, and the pause
	// after one that did not succeed.
	keepTries, keepRetry = 3, time.Second
	// loadRetry is the pause before the index is asked for again.
	loadRetry = time.Second
	// changesEvery is how often it is looked what other routers have stored.
	changesEvery = 500 * time.Millisecond
	// sweepEvery is how often expired keys leave the index.
	sweepEvery = time.Minute
	// keepTimeout bounds one write of answers, and one page of the index.
	keepTimeout = 5 * time.Second
)

// background keeps the index, and writes what is to be kept, to the last
// answer that came before ctx ended.
func (a *answers) background(ctx context.Context) {
	if a.cfg.TTL <= 0 {
		return
	}
	go a.follow(ctx)
	sweep := time.NewTicker(sweepEvery)
	defer sweep.Stop()
	for {
		select {
		case k := <-a.keep:
			a.write(ctx, k)
		case <-sweep.C:
			a.index.sweep(a.now())
			a.front.sweep(a.now())
		case <-ctx.Done():
			for {
				select {
				case k := <-a.keep:
					if !a.write(ctx, k) {
						return // nobody is to wait for a store that is down
					}
				default:
					return
				}
			}
		}
	}
}

// follow reads the index once, and then what changes: other routers may have
// the same store.
func (a *answers) follow(ctx context.Context) {
	q := sdk.ChangesQuery{Namespaces: []string{NamespaceAnswers}, KeysOnly: true}
	read := false
	for {
		pause := changesEvery
		page, err := a.page(ctx, q)
		switch {
		case err != nil && !read:
			pause = loadRetry
		case err != nil:
		default:
			a.take(page.Changes)
			if q.Cursor = page.Cursor; page.More {
				continue
			}
			if !read {
				read = true
				close(a.loaded)
			}
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
	}
}

func (a *answers) page(ctx context.Context, q sdk.ChangesQuery) (sdk.Changes, error) {
	ctx, cancel := context.WithTimeout(ctx, keepTimeout)
	defer cancel()
	return a.plugin.Cache.Changes(ctx, q)
}

func (a *answers) take(changes []sdk.Change) {
	for _, c := range changes {
		key, ok := a.parse(c.Entry.Key)
		switch {
		case !ok:
		case c.Deleted:
			a.index.drop(key)
			a.front.drop(key)
		default:
			a.index.note(key, c.Entry.Expires)
		}
	}
}

// write is false where the store did not take the answer, and those that came
// with it.
func (a *answers) write(ctx context.Context, first kept) bool {
	batch := []kept{first}
	for len(batch) < keepBatch {
		select {
		case k := <-a.keep:
			batch = append(batch, k)
			continue
		default:
		}
		break
	}
	entries := make([]sdk.Entry, len(batch))
	for i, k := range batch {
		entries[i] = sdk.Entry{Namespace: NamespaceAnswers, Key: a.stored(k.key), Value: k.value, Expires: k.expires}
	}
	if err := a.put(ctx, entries); err != nil {
		a.counts.failed.Add(1)
		a.log.Warn("answers not kept", "count", len(batch), "err", err)
		return false
	}
	for _, k := range batch {
		a.index.note(k.key, k.expires)
	}
	return true
}

// put writes, and tries again after a pause unless ctx has ended: the plugin
// may just have died. A write that has begun is not taken back.
func (a *answers) put(ctx context.Context, entries []sdk.Entry) (err error) {
	for range keepTries {
		pctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keepTimeout)
		err = a.plugin.Cache.Put(pctx, entries...)
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-time.After(keepRetry):
		case <-ctx.Done():
			return err
		}
	}
	return err
}
