// Command actor is a plugin of every kind that does what a test tells it to.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/smart-ai-router/smartrouter/sdk"
)

// Printed by a package's initialization, long before Serve.
var _ = printLine(os.Getenv("ACT_PRINT"))

func main() {
	printLine(os.Getenv("ACT_PRINT"))
	a := &actor{Rate: 0.5, Wait: time.Second, Tags: []string{"a"}, entries: make(map[string]sdk.Entry)}
	sdk.Serve(&sdk.Plugin{
		Name:       "actor",
		Version:    "1.2.3",
		Doc:        "Does what it is told.",
		Reads:      []sdk.Fact{sdk.FactModel, sdk.HeaderFact("X-Team")},
		Computes:   os.Getenv("ACT_COMPUTES") != "",
		Needs:      []string{sdk.NeedBilledCalls},
		Selector:   a,
		Prechecker: a,
		Prober:     a,
		Cache:      a,
		Adapter:    a,
		Guard:      a,
		Observer:   a,
	})
}

func printLine(bytes string) int {
	n, _ := strconv.Atoi(bytes)
	if n > 0 {
		fmt.Println(strings.Repeat("x", n))
	}
	return n
}

type actor struct {
	Rate  float64           `config:"rate" min:"0" max:"1" doc:"a share"`
	Wait  time.Duration     `config:"wait" min:"1ms"`
	Room  sdk.Size          `config:"room" max:"1024"`
	Tags  []string          `config:"tag"`
	Names map[string]string `config:"names"`
	Rules []rule            `config:"rule" doc:"the first that matches"`
	Deny  []deny            `config:"deny"`
	Fail  string            `config:"fail"`

	dir     string
	mu      sync.Mutex
	entries map[string]sdk.Entry
}

type rule struct {
	Match string `config:"match,required"`
	Count int    `config:"count" min:"0"`
}

type deny struct {
	Name    string `config:"name,label"`
	Pattern string `config:"pattern,required"`
}

func (a *actor) Validate() error {
	var errs []error
	for i, r := range a.Rules {
		if r.Match == "*" {
			errs = append(errs, sdk.ConfigError{Path: fmt.Sprintf("rule.%d.match", i), Message: "matches all"})
		}
	}
	if a.Fail == "validate" {
		errs = append(errs, errors.New("told to fail"))
	}
	return errors.Join(errs...)
}

func (a *actor) Start(_ context.Context, s sdk.Setup) error {
	if a.Fail == "start" {
		return errors.New("told to fail")
	}
	a.dir = s.DataDir
	return a.note("started with " + strings.Join(s.Grants, ","))
}

func (a *actor) Close() error { return a.note("closed") }

// note appends a line to what a test reads after the process is gone.
func (a *actor) note(line string) error {
	f, err := os.OpenFile(filepath.Join(a.dir, "notes"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(line + "\n")
	return errors.Join(err, f.Close())
}

func (a *actor) Select(ctx context.Context, r sdk.Request, cs []sdk.Candidate) (sdk.Plan, error) {
	switch act, arg, _ := strings.Cut(r.Model, " "); act {
	case "order":
		return sdk.InOrder(cs...), nil
	case "say":
		return sdk.InOrder(cs...).Because(a.say(arg, r, cs)).For(sdk.For(time.Minute)), nil
	case "print":
		for range 20 {
			printLine(arg)
		}
		return sdk.InOrder(cs...), nil
	case "wait":
		sdk.Log.Warn("waiting")
		<-ctx.Done()
		sdk.Log.Warn("cancelled", "err", ctx.Err())
		return sdk.Plan{}, fmt.Errorf("gave up: %w", ctx.Err())
	case "panic":
		panic("told to")
	case "empty":
		return sdk.Plan{}, nil
	case "stranger":
		return sdk.InOrder(sdk.Candidate{Model: "another", Channel: &sdk.Channel{Name: "elsewhere"}}), nil
	case "twice":
		return sdk.InOrder(cs[0], cs[0]), nil
	case "weight":
		w, err := strconv.ParseFloat(arg, 64)
		return sdk.Plan{Tiers: []sdk.Tier{{Picks: []sdk.Pick{{Candidate: cs[0], Weight: w}}}}}, err
	case "balance":
		return sdk.Plan{Tiers: []sdk.Tier{{Balance: sdk.Balance(arg), Picks: []sdk.Pick{{Candidate: cs[0]}}}}}, nil
	default:
		return sdk.Plan{}, errors.New("no channel fits")
	}
}

func (a *actor) say(what string, r sdk.Request, cs []sdk.Candidate) string {
	switch what {
	case "env":
		return strings.Join(os.Environ(), "\n")
	case "procs":
		return strconv.Itoa(runtime.GOMAXPROCS(0))
	case "config":
		return text(struct {
			Rate  float64
			Wait  time.Duration
			Room  sdk.Size
			Tags  []string
			Names map[string]string
			Rules []rule
		}{a.Rate, a.Wait, a.Room, a.Tags, a.Names, a.Rules})
	case "child":
		cmd := exec.Command("/bin/sleep", "600")
		if err := cmd.Start(); err != nil {
			return err.Error()
		}
		return strconv.Itoa(cmd.Process.Pid)
	default:
		return text([]any{r, cs})
	}
}

func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func (a *actor) Check(ctx context.Context, c sdk.Candidate, up sdk.Upstream) (sdk.Availability, error) {
	r, err := up.Do(ctx, sdk.UpstreamRequest{Endpoint: sdk.Models})
	if err != nil {
		return sdk.Availability{}, fmt.Errorf("check %s: %w", c, err)
	}
	return sdk.Availability{Available: r.Status == 200, Reason: string(r.Body), Lease: sdk.NoLease}, nil
}

func (a *actor) Probe(ctx context.Context, c sdk.Channel, up sdk.Upstream) (sdk.Health, error) {
	r, err := up.Do(ctx, sdk.UpstreamRequest{Method: "POST", Endpoint: sdk.Chat, Model: "m", Body: []byte(c.Name), MaxBytes: 9})
	if err != nil {
		return sdk.Health{}, err
	}
	return sdk.Health{
		State: sdk.HealthMisconfigured, Reason: text(r), Lease: sdk.For(time.Second),
		Key: sdk.KeyInvalid, KeyLease: sdk.Lease{Fresh: time.Second, Stale: time.Minute},
		Listed: true, Models: []sdk.ModelInfo{{ID: "m", Created: 1, OwnedBy: "o", ContextTokens: 2, OutputTokens: 3, Price: sdk.Price{Known: true, Output: 4}}},
		ModelsLease: sdk.Lease{Stale: 1}, SpecsLease: sdk.Lease{Stale: 2}, PricesLease: sdk.Lease{Stale: 3},
	}, nil
}

func (a *actor) Prepare(_ context.Context, c sdk.Channel, model string, e sdk.Endpoint, stream bool) (sdk.Prepared, error) {
	if e == sdk.Rerank {
		return sdk.Prepared{}, fmt.Errorf("prepare: %w", sdk.Unsupported("has no rerank"))
	}
	return sdk.Prepared{
		URL:     c.BaseURL + "/" + string(e) + "?" + text([]any{c, stream}),
		Headers: []sdk.Header{{Name: "a", Value: "b"}, {Name: "a", Value: "c"}},
		Auth:    sdk.Auth{Kind: sdk.AuthMinted, Value: "Bearer t", Expires: time.Unix(1e9, 5).UTC(), Service: "s", Region: "r"},
		Codec:   "openai", Model: model + "!",
		Edits: []sdk.Edit{
			{Op: sdk.EditSet, Field: "a", Value: json.RawMessage(`{"b":1}`)}, {Op: sdk.EditDefault, Field: "b", Value: json.RawMessage(`2`)},
			{Op: sdk.EditRename, Field: "c", To: "d"}, {Op: sdk.EditDelete, Field: "e"},
		},
		Lease: sdk.For(time.Hour),
	}, nil
}

func (a *actor) TranslateRequest(_ context.Context, c sdk.Channel, model string, chat []byte) ([]byte, error) {
	return []byte(text([]any{c, model, string(chat)})), nil
}

func (a *actor) TranslateAnswer(_ context.Context, c sdk.Channel, model string, answer sdk.UpstreamAnswer) ([]byte, error) {
	return []byte(text([]any{c, model, answer.Status, string(answer.Body)})), nil
}

func (a *actor) TranslateStream(_ context.Context, c sdk.Channel, model string, p sdk.StreamPiece) (sdk.Chunks, error) {
	if model == "flood" {
		return sdk.Chunks{State: make([]byte, 4<<20+1)}, nil
	}
	return sdk.Chunks{Events: [][]byte{[]byte(text([]any{c, model, p.End})), p.Data}, State: append(p.State, '!')}, nil
}

func (a *actor) Inspect(_ context.Context, r sdk.Request, p sdk.Prompt) (sdk.Ruling, error) {
	switch act, arg, _ := strings.Cut(r.Model, " "); act {
	case "pass":
		return sdk.Pass().For(sdk.For(time.Minute)), nil
	case "reject":
		return sdk.Ruling{Rejection: &sdk.Rejection{Status: 451, Code: "unlawful", Message: text([]any{r, p.Texts()})}}, nil
	case "say":
		return sdk.Reject(arg), nil
	case "status":
		n, err := strconv.Atoi(arg)
		return sdk.Ruling{Rejection: &sdk.Rejection{Status: n, Message: "no"}}, err
	case "code":
		return sdk.Ruling{Rejection: &sdk.Rejection{Code: arg, Message: "no"}}, nil
	case "edit":
		return sdk.Edited(sdk.Replace("/a", nil), sdk.Set("/b", []int{1}), sdk.Remove("/c"), sdk.PatchOp{Op: "move", From: "/d", Path: "/e"}), nil
	case "both":
		return sdk.Ruling{Rejection: &sdk.Rejection{Message: "no"}, Patch: []sdk.PatchOp{sdk.Remove("/a")}}, nil
	case "unmarshalable":
		return sdk.Edited(sdk.Set("/a", func() {})), nil
	default:
		return sdk.Ruling{}, errors.New("can't tell")
	}
}

func (a *actor) Observe(_ context.Context, batch []sdk.Outcome) error {
	for _, o := range batch {
		if o.Error == "fail" {
			return errors.New("told to fail")
		}
		if err := a.note(text(o)); err != nil {
			return err
		}
	}
	return nil
}

func (a *actor) Get(_ context.Context, namespace, key string) (sdk.Entry, bool, error) {
	if size, ok := strings.CutPrefix(key, "huge "); ok {
		n, err := strconv.Atoi(size)
		return sdk.Entry{Namespace: namespace, Key: key, Value: make([]byte, n)}, true, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	e, ok := a.entries[namespace+"/"+key]
	return e, ok, nil
}

func (a *actor) Put(_ context.Context, entries ...sdk.Entry) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, e := range entries {
		a.entries[e.Namespace+"/"+e.Key] = e
	}
	return nil
}

func (a *actor) Delete(_ context.Context, namespace string, keys ...string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, k := range keys {
		delete(a.entries, namespace+"/"+k)
	}
	return nil
}

func (a *actor) Add(_ context.Context, _, _ string, delta int64, ttl time.Duration) (int64, error) {
	return delta + int64(ttl), nil
}

func (a *actor) Changes(_ context.Context, q sdk.ChangesQuery) (sdk.Changes, error) {
	return sdk.Changes{Cursor: text(q), More: true, Changes: []sdk.Change{{Entry: sdk.Entry{Key: "k"}, Deleted: true}}}, nil
}

func (a *actor) Stats(context.Context) (sdk.CacheStats, error) {
	return sdk.CacheStats{SetAside: 7, Namespaces: []sdk.NamespaceStats{{
		Namespace: "n", Entries: 1, Bytes: 2, Hits: 3, Misses: 4, Puts: 5, Expired: 6, Evicted: math.MaxInt64,
		Oldest: time.Unix(8, 0), Newest: time.Unix(9, 10),
	}}}, nil
}
