package main

import (
	"context"
	"slices"
	"sync"
	"time"
)

// A steady load sends requests at a rate, whether or not those before are
// answered, as callers do that know nothing of each other. What waits behind a
// fault is so counted in full, from when it was due.
type steady struct {
	target target
	load   load
	rate   int // a second

	mu   sync.Mutex
	idle []*client
	made int
}

// A shot is one request of a steady load.
type shot struct {
	due  time.Duration // since the begin of the run
	took time.Duration // since then
	err  error
}

// connectionsFor is how long a client's connection may be used.
const connectionsFor = time.Hour

// run sends for so long, and waits for the last answer.
func (s *steady) run(ctx context.Context, duration time.Duration) ([]shot, error) {
	shots := make([]shot, int(duration.Seconds()*float64(s.rate)))
	apart := time.Second / time.Duration(s.rate)
	var under sync.WaitGroup
	defer under.Wait()
	began := time.Now()
	for i := range shots {
		due := time.Duration(i) * apart
		if err := sleep(ctx, time.Until(began.Add(due))); err != nil {
			return nil, err
		}
		under.Go(func() {
			c := s.take()
			_, err := c.do()
			shots[i] = shot{due: due, took: time.Since(began) - due, err: err}
			s.give(c)
		})
	}
	under.Wait()
	return shots, nil
}

func (s *steady) take() *client {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.idle); n > 0 {
		c := s.idle[n-1]
		s.idle = s.idle[:n-1]
		return c
	}
	s.made++
	return newClient(s.target, s.load, s.made, time.Now().Add(connectionsFor))
}

func (s *steady) give(c *client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.idle = append(s.idle, c)
}

func (s *steady) hangUp() {
	for _, c := range s.idle {
		c.hangUp()
	}
}

// lost counts the requests that were not answered in full, with the first error.
func lost(shots []shot) (n int, first error) {
	for _, s := range shots {
		if s.err != nil {
			n++
			if first == nil {
				first = s.err
			}
		}
	}
	return n, first
}

// p99Of is that of the requests that were due between from and to.
func p99Of(shots []shot, from, to time.Duration) time.Duration {
	var took []time.Duration
	for _, s := range shots {
		if s.due >= from && s.due < to {
			took = append(took, s.took)
		}
	}
	slices.Sort(took)
	return percentile(took, .99)
}

// slowFor is how long after at the requests took longer than most: from at to
// the last that did.
func slowFor(shots []shot, at, most time.Duration) (d time.Duration) {
	for _, s := range shots {
		if s.due >= at && s.took > most {
			d = max(d, s.due-at)
		}
	}
	return d
}
