package conform

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/smart-ai-router/smartrouter/sdk"
)

// Target is the plugin to be checked.
type Target struct {
	// Command is its command line, with the program first.
	Command []string
	// program is executed where it is another path than Command[0].
	program string
	// Env adds variables ("KEY=value"); else it gets next to none.
	Env []string
	// Config is its config block by attribute, with which it has to work.
	// Durations are strings ("1.5s"), sizes numbers of bytes, nested blocks
	// lists of maps.
	Config map[string]any
	// Block reads the config instead, once the plugin has said what it is;
	// nil: Config is it. What the plugin refuses is shown at the block's lines.
	Block func(sdk.Manifest) (Block, error)
	// Mistakes are configs that the plugin must refuse, each by the path of
	// the attribute that it is about. What follows from the schema is tried
	// without them.
	Mistakes map[string]map[string]any
	// Grants; nil: all that its manifest needs.
	Grants []string
}

// Block is a config block in somebody's file.
type Block interface {
	// Decode answers the block as JSON, by the plugin's schema.
	Decode(fields []sdk.Field) ([]byte, error)
	// Explain puts what the plugin does not accept at its lines.
	Explain(errs []sdk.ConfigError) error
}

// Executing says which file runs, where it is not the command's first word.
func (t Target) Executing(path string) Target {
	t.program = path
	return t
}

// Calls are how many are made to find leaks, by default.
const Calls = 10_000

// Options of a run. Those that are zero take their default.
type Options struct {
	// Calls to find leaks with.
	Calls int
	// Slack is how many times as long as with a router anything may take: for a
	// machine that has much else to do.
	Slack int
	// Tell is called with each result as it comes.
	Tell func(Result)
}

// kit is one run.
type kit struct {
	target  Target
	calls   int
	limits  limits
	tell    func(Result)
	report  *Report
	folder  string // of the data folders
	folders int
	// answered are a selector's answers by the first way, by question: those by
	// the second have to be the same.
	answered map[string]string
	// unsteady are the kinds that answer the same question differently.
	unsteady map[sdk.Kind]bool
	block    Block // nil: the config is none of a file
	lines    int64 // printed to stderr, over all processes
	stray    int64 // bytes printed to stdout after the handshake
}

// Run makes all checks. The error is about the kit itself, such as a folder
// that it could not make; what is wrong with the plugin is in the report.
func Run(ctx context.Context, t Target, o Options) (*Report, error) {
	if len(t.Command) == 0 {
		return nil, errors.New("conform: no command")
	}
	k := &kit{
		target: t, calls: o.Calls, limits: routers.times(o.Slack), tell: o.Tell, report: new(Report),
		answered: make(map[string]string), unsteady: make(map[sdk.Kind]bool),
	}
	if k.calls <= 0 {
		k.calls = Calls
	}
	if k.target.Config == nil {
		k.target.Config = map[string]any{}
	}
	var err error
	if k.folder, err = os.MkdirTemp("", "conform-data"); err != nil {
		return nil, err
	}
	defer os.RemoveAll(k.folder)
	began := time.Now()
	defer func() { k.report.TookMS = time.Since(began).Milliseconds() }()

	m, ok := k.start(ctx)
	if !ok {
		return k.report, ctx.Err()
	}
	if !k.read(m) || !k.settings(ctx, m) {
		return k.report, ctx.Err()
	}
	k.older(ctx)
	if m.Lane {
		k.through(ctx, Lane)
	}
	k.through(ctx, Unary)
	k.ends(ctx)
	k.output()
	return k.report, ctx.Err()
}

// through makes the checks that go over calls, by one way.
func (k *kit) through(ctx context.Context, way Way) {
	r := &runner{kit: k, way: way}
	defer r.close()
	r.each(ctx, "latency", r.latency)
	r.each(ctx, "sameness", r.sameness)
	r.each(ctx, "facts", r.facts)
	r.each(ctx, "deadline", r.deadline)
	r.each(ctx, "cancel", r.cancelled)
	r.each(ctx, "concurrent", r.concurrent)
	r.each(ctx, "large input", r.large)
	r.each(ctx, "garbage", r.garbage)
	r.each(ctx, "leaks", r.leaks)
	if way == Unary {
		r.answers(ctx)
	}
	r.goodbye(ctx)
}

// runner keeps a session for the checks of one way, and gets a new one where
// the process did not survive the last check: one defect is told once.
type runner struct {
	*kit
	way     Way
	session *session
	broken  bool // no session can be had; said once
}

func (r *runner) close() {
	r.note(r.session)
	r.session.end()
}

// get is the session; nil: there is none.
func (r *runner) get(ctx context.Context) *session {
	if r.session != nil && r.session.alive() && !r.session.plugin.Broken() {
		return r.session
	}
	r.note(r.session)
	r.session.end()
	r.session = nil
	if r.broken || ctx.Err() != nil {
		return nil
	}
	dir, err := r.dataDir()
	if err == nil {
		r.session, err = r.open(ctx, r.way, newestVersions, dir)
	}
	if err != nil {
		r.broken = true
		r.add(Result{Check: "start", Way: r.way, Outcome: Fail, Detail: err.Error(),
			Remedy: "a plugin is started again and again: each start has to work"})
		return nil
	}
	return r.session
}

// check is made with one kind of the plugin. An empty detail: it does not apply.
type check func(ctx context.Context, s *session, a *asker) Result

// each makes a check with each kind.
func (r *runner) each(ctx context.Context, name string, c check) {
	s := r.get(ctx)
	if s == nil {
		return
	}
	for n := range s.askers {
		if s = r.get(ctx); s == nil {
			return
		}
		began := time.Now()
		result := c(ctx, s, s.askers[n])
		if result.Detail == "" {
			continue
		}
		result.Check, result.Kind, result.Way = name, s.askers[n].kind, r.way
		r.took(result, began)
	}
}

func (k *kit) took(r Result, began time.Time) {
	r.TookMS = time.Since(began).Milliseconds()
	k.add(r)
}

func (k *kit) add(r Result) {
	k.report.add(r)
	if k.tell != nil {
		k.tell(r)
	}
}

// note keeps what a process printed, before it is forgotten.
func (k *kit) note(s *session) {
	if s == nil {
		return
	}
	lines, _ := s.stderr.counts()
	_, bytes := s.stdout.counts()
	k.lines += lines
	k.stray += bytes
}
