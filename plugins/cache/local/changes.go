package local

import (
	"context"
	"database/sql"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/smart-ai-router/smartrouter/sdk"
)

const (
	defaultLimit = 1000
	maxLimit     = 10_000
	// maxAnswerBytes bounds the values of one answer, but for the first.
	maxAnswerBytes = 16 << 20
)

// Changes is part of sdk.Cache. A cursor is a file's id and a seq; one of
// another file, or none, begins at the beginning.
func (l *local) Changes(ctx context.Context, q sdk.ChangesQuery) (sdk.Changes, error) {
	var c sdk.Changes
	find := func(ctx context.Context, s *store) (err error) {
		c, err = s.changes(ctx, q, l.now().UnixMilli())
		return err
	}
	err := l.reading(ctx, find)
	if errors.Is(err, sql.ErrNoRows) {
		err = l.reading(ctx, find) // the file was replaced: that there is none yet has a cursor too
	}
	if err != nil {
		return sdk.Changes{}, err
	}
	return c, nil
}

func (s *store) changes(ctx context.Context, q sdk.ChangesQuery, now int64) (sdk.Changes, error) {
	after := s.parseCursor(q.Cursor)
	limit := q.Limit
	if limit <= 0 {
		limit = defaultLimit
	}
	limit = min(limit, maxLimit)

	// One view of the file, so that the newest seq is that of the rows.
	t, err := s.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return sdk.Changes{}, err
	}
	defer func() { _ = t.Rollback() }() // it has only read
	var newest int64
	if err := t.QueryRowContext(ctx, "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'entries'").Scan(&newest); err != nil {
		return sdk.Changes{}, err
	}
	query, args := changesQuery(q, after, now, limit+1)
	rows, err := t.QueryContext(ctx, query, args...)
	if err != nil {
		return sdk.Changes{}, err
	}
	defer func() { _ = rows.Close() }() // rows.Err says what went wrong

	var c sdk.Changes
	last, size := newest, 0
	for rows.Next() {
		var ch sdk.Change
		var seq, expires, length int64
		var key []byte
		if err := rows.Scan(&seq, &ch.Entry.Namespace, &key, &expires, &length, &ch.Entry.Value); err != nil {
			return sdk.Changes{}, err
		}
		size += len(ch.Entry.Value)
		if n := len(c.Changes); n == limit || n > 0 && size > maxAnswerBytes {
			c.More = true
			break
		}
		ch.Entry.Key, ch.Entry.Expires, ch.Deleted = string(key), time.UnixMilli(expires), length < 0
		c.Changes = append(c.Changes, ch)
		last = seq
	}
	if err := rows.Err(); err != nil {
		return sdk.Changes{}, err
	}
	if !c.More {
		last = newest
	}
	c.Cursor = s.id + "." + strconv.FormatInt(last, 10)
	return c, nil
}

func changesQuery(q sdk.ChangesQuery, after, now int64, limit int) (string, []any) {
	var b strings.Builder
	if q.KeysOnly {
		b.WriteString("SELECT e.seq, namespace, key, expires, size, NULL FROM entries e")
	} else {
		b.WriteString("SELECT e.seq, namespace, key, expires, size, value FROM entries e LEFT JOIN bodies b ON b.seq = e.seq")
	}
	args := []any{after, now}
	// A plus keeps SQLite from using an index: who polls reads the newest rows,
	// who begins with a few namespaces reads theirs only.
	seq, namespace := "e.seq", "+namespace"
	if after == 0 && len(q.Namespaces) > 0 {
		seq, namespace = "+e.seq", "namespace"
	}
	b.WriteString(" WHERE " + seq + " > ? AND +expires > ?")
	if len(q.Namespaces) > 0 {
		b.WriteString(" AND " + namespace + " IN (?" + strings.Repeat(", ?", len(q.Namespaces)-1) + ")")
		for _, ns := range q.Namespaces {
			args = append(args, ns)
		}
	}
	b.WriteString(" ORDER BY e.seq LIMIT ?")
	return b.String(), append(args, limit)
}

// parseCursor answers the seq after which to begin.
func (s *store) parseCursor(cursor string) int64 {
	id, seq, ok := strings.Cut(cursor, ".")
	if !ok || id != s.id {
		return 0
	}
	n, err := strconv.ParseInt(seq, 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}
