package server

import (
	"crypto/rand"
	"encoding/base32"
	"strconv"
	"strings"
	"sync/atomic"
)

// ids makes decision ids: a random part for the process, then a count.
type ids struct {
	prefix string
	count  atomic.Uint64
}

func (i *ids) init() {
	var b [5]byte
	rand.Read(b[:]) // never fails
	i.prefix = "d-" + strings.ToLower(base32.StdEncoding.EncodeToString(b[:])) + "-"
}

func (i *ids) next() string {
	var b [32]byte
	return string(strconv.AppendUint(append(b[:0], i.prefix...), i.count.Add(1), 36))
}

// maxID bounds the ids that clients may give.
const maxID = 128

// validID accepts a client's own request id: short, and safe to log.
func validID(s string) bool {
	if s == "" || len(s) > maxID {
		return false
	}
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' {
			return false
		}
	}
	return true
}
