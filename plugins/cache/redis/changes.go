package redis

import (
	"context"
	"crypto/rand"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/smart-ai-router/smartrouter/sdk"
)

const (
	// pageLimit is the most entries of one answer, as a script keeps all others
	// waiting.
	pageLimit = 1000
	// maxAnswerBytes bounds the values of one answer, but for the first.
	maxAnswerBytes = 16 << 20
)

// Changes is part of sdk.Cache. A cursor is the id of a store and a seq; one of
// another store, or none, begins at the beginning.
func (r *redis) Changes(ctx context.Context, q sdk.ChangesQuery) (sdk.Changes, error) {
	limit := pageLimit
	if q.Limit > 0 {
		limit = min(q.Limit, pageLimit)
	}
	room := maxAnswerBytes
	if q.KeysOnly {
		room = 0
	}
	var namespaces []string
	for _, ns := range q.Namespaces {
		namespaces = append(namespaces, escape(ns))
	}
	slices.Sort(namespaces)
	namespaces = slices.Compact(namespaces)

	c := sdk.Changes{Cursor: q.Cursor}
	for {
		id, seq := parseCursor(c.Cursor)
		m, err := r.run(ctx, scripts().changes, append([]string{
			rand.Text(), id, strconv.FormatInt(seq, 10), strconv.Itoa(limit), strconv.Itoa(room),
		}, namespaces...)...)
		if err != nil {
			return sdk.Changes{}, err
		}
		if c, err = parseChanges(m, q.KeysOnly); err != nil {
			return sdk.Changes{}, errorf("changes: %w", err)
		}
		// All of a page may have expired, and wait to be swept.
		if len(c.Changes) > 0 || !c.More {
			return c, nil
		}
	}
}

// parseCursor answers no id for what is no cursor.
func parseCursor(cursor string) (id string, seq int64) {
	id, text, _ := strings.Cut(cursor, ".")
	seq, err := strconv.ParseInt(text, 10, 64)
	if err != nil || seq < 0 {
		return "", 0
	}
	return id, seq
}

// parseChanges reads the answer of scripts/changes.lua.
func parseChanges(m rueidis.RedisMessage, keysOnly bool) (sdk.Changes, error) {
	const head, row = 3, 5
	answer, err := m.AsStrSlice()
	if err != nil {
		return sdk.Changes{}, err
	}
	if len(answer) < head || len(answer)%row != head {
		return sdk.Changes{}, errorf("an answer of %d parts", len(answer))
	}
	c := sdk.Changes{Cursor: answer[0] + "." + answer[1], More: answer[2] != ""}
	for part := range slices.Chunk(answer[head:], row) {
		var ch sdk.Change
		if ch.Entry.Namespace, err = unescape(part[0]); err != nil {
			return sdk.Changes{}, err
		}
		expires, err := strconv.ParseInt(part[2], 10, 64)
		if err != nil {
			return sdk.Changes{}, err
		}
		ch.Entry.Key, ch.Entry.Expires, ch.Deleted = part[1], time.UnixMilli(expires), part[3] != ""
		if !keysOnly && !ch.Deleted {
			ch.Entry.Value = []byte(part[4])
		}
		c.Changes = append(c.Changes, ch)
	}
	return c, nil
}
