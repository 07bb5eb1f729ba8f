package main

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// client sends requests as a program without a router does. Without a pool it
// opens a connection for each.
func (w *world) client(pool bool) *http.Client {
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: w.roots, MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2: pool, DisableKeepAlives: !pool, DisableCompression: true,
	}}
}

// chat is a request for so many words. No two texts are equal unless a
// measurement wants it.
func chat(model, text string, words int) string {
	return fmt.Sprintf(`{"model":%q,"max_tokens":%d,"messages":[{"role":"user","content":%q}]}`, model, words, text)
}

// stream is a request for an answer as it comes.
func stream(model, text string) string {
	return fmt.Sprintf(`{"model":%q,"stream":true,"messages":[{"role":"user","content":%q}]}`, model, text)
}

func post(c *http.Client, url, body string) (*http.Response, error) {
	req, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer sk-bench")
	return c.Do(req)
}

// inFull reads an answer to its end, whatever its status.
func inFull(resp *http.Response, err error) (ok bool, _ error) {
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return false, err
	}
	return resp.StatusCode == http.StatusOK, nil
}

// ask is a request that must succeed, read to its end.
func ask(c *http.Client, base, path, body string) error {
	resp, err := post(c, base+path, body)
	ok, err := inFull(resp, err)
	if err == nil && !ok {
		err = fmt.Errorf("%s%s: %s", base, path, resp.Status)
	}
	return err
}

const chatPath = "/chat/completions"

// oneAfterTheOther tries upstreams in turn, and reads each answer in full
// before it judges it.
func oneAfterTheOther(c *http.Client, all []*upstream, body string) error {
	for _, u := range all {
		resp, err := post(c, u.base+chatPath, body)
		if ok, err := inFull(resp, err); err != nil || ok {
			return err
		}
	}
	return fmt.Errorf("none of %d upstreams answered", len(all))
}

// firstUp finds an upstream by asking one after the other for its models.
func firstUp(c *http.Client, all []*upstream) (*upstream, error) {
	for _, u := range all {
		resp, err := c.Get(u.base + "/models")
		ok, err := inFull(resp, err)
		if err != nil {
			return nil, err
		}
		if ok {
			return u, nil
		}
	}
	return nil, fmt.Errorf("none of %d upstreams is up", len(all))
}

// firstWord asks for a stream, and answers when its first word came. The rest
// is read too.
func firstWord(c *http.Client, base, body string) (at time.Time, err error) {
	resp, err := post(c, base+chatPath, body)
	if err != nil {
		return at, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return at, fmt.Errorf("%s: %s", base, resp.Status)
	}
	var seen []byte
	piece := make([]byte, 4<<10)
	for {
		n, err := resp.Body.Read(piece)
		seen = append(seen, piece[:n]...)
		if at.IsZero() && bytes.Contains(seen, []byte(`"content":"word`)) {
			at = time.Now()
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return at, err
		}
	}
	if at.IsZero() || !bytes.Contains(seen, []byte("[DONE]")) {
		return at, fmt.Errorf("%s: the stream is not whole: %s", base, seen)
	}
	return at, nil
}
