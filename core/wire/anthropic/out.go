package anthropic

import (
	"strconv"
	"strings"

	"github.com/smart-ai-router/smartrouter/core/wire/hub"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
)

const (
	// defaultMaxTokens is asked for where the client does not say: Anthropic
	// wants a number, and every model of 2026 has this much.
	defaultMaxTokens = 8192
	// LeastBudget of thinking, in tokens, is Anthropic's.
	LeastBudget = 1024
)

// outgoing appends a request as Anthropic takes it.
func outgoing(dst []byte, q *hub.Request, w *hub.Warnings) ([]byte, error) {
	o := build{Writer: rawjson.Object(dst), q: q, same: q.From == Name}
	o.Plain("model", q.Model)
	think := o.thinking(w)
	o.Int("max_tokens", o.maxTokens)
	o.system()
	o.turns()
	o.tools()
	o.sampling(think, w)
	o.Dst = append(o.Dst, o.after...)
	rawjson.Texts(&o.Writer, "stop_sequences", q.Stop)
	o.rest(w)
	if q.Stream {
		o.Put(`,"stream":true`)
	}
	return append(o.Dst, '}'), nil
}

// build is a request being made.
type build struct {
	rawjson.Writer
	q         *hub.Request
	same      bool // it came in this format: what it holds goes out as it came
	maxTokens int64
	after     []byte // thinking and output_config
}

// Budgeted are models that think by a budget alone: they came before adaptive
// thinking (https://platform.claude.com/docs/en/build-with-claude/thinking).
func Budgeted(model string) bool {
	for _, of := range [...]string{
		"claude-3", "claude-opus-4-0", "claude-opus-4-1", "claude-opus-4-2025", "claude-opus-4-5", "claude-opus-4.",
		"claude-sonnet-4-0", "claude-sonnet-4-2025", "claude-sonnet-4-5", "claude-haiku-4-5",
	} {
		if strings.Contains(model, of) {
			return true
		}
	}
	return false
}

// budgets of an effort, in tokens.
var budgets = map[string]int64{"minimal": 1024, "low": 2048, "medium": 8192, "high": 16384, "xhigh": 32768, "max": 32768}

// BudgetOf an effort, in tokens, for models that are [Budgeted].
func BudgetOf(effort string) int64 { return budgets[effort] }

// thinking decides on it and on max_tokens, which holds the thoughts too. It
// tells whether the model will think.
func (o *build) thinking(w *hub.Warnings) bool {
	q, r := o.q, o.q.Reasoning
	o.maxTokens = q.MaxTokens
	var config rawjson.Writer // the fields of output_config
	if q.Output.Form == hub.JSONSchema {
		config.Put(`"format":{"type":"json_schema","schema":`)
		if q.Output.Schema != nil {
			config.Dst = append(config.Dst, q.Output.Schema...)
		} else {
			config.Put(`{"type":"object"}`)
		}
		config.Put("}")
	}
	think := ""
	switch budget := r.Budget; {
	case r.Off, r.Effort == "none":
		think = `"type":"disabled"`
	case o.same && budget > 0:
		think = `"type":"enabled","budget_tokens":` + strconv.FormatInt(budget, 10)
	case r.Adaptive && (o.same || !o.q.Choice.Forced()):
		think = `"type":"adaptive"`
	case budget > 0 || r.Effort != "" && !o.same && Budgeted(q.Model):
		if budget == 0 {
			budget = budgets[r.Effort]
		}
		if o.maxTokens > 0 && budget >= o.maxTokens {
			budget = o.maxTokens / 2
		}
		if o.maxTokens == 0 {
			o.maxTokens = budget + defaultMaxTokens
		}
		if budget >= LeastBudget && !o.q.Choice.Forced() {
			think = `"type":"enabled","budget_tokens":` + strconv.FormatInt(budget, 10)
			break
		}
		field := hub.ReasoningBudget
		if r.Budget == 0 {
			field = hub.ReasoningEffort
		}
		w.Add(field, "max_tokens leaves no room for it, or tool_choice asks for a tool at once")
	case r.Effort != "" && !o.same && !o.q.Choice.Forced():
		think = `"type":"adaptive"`
	}
	if think != "" {
		o.after = append(append(o.after, `,"thinking":{`...), think...)
		switch {
		case strings.HasSuffix(think, `disabled"`):
		case r.Hidden:
			o.after = append(o.after, `,"display":"omitted"`...)
		case r.Shown || !o.same && !Budgeted(q.Model):
			// Whether thoughts are shown depends on the model; a client that asks
			// for them in another format sees them there.
			o.after = append(o.after, `,"display":"summarized"`...)
		}
		o.after = append(o.after, '}')
	}
	if e := r.Effort; e != "" && e != "none" && (o.same || !Budgeted(q.Model)) {
		if e == "minimal" {
			e = "low"
		}
		config.Comma()
		config.Dst = append(append(append(config.Dst, `"effort":"`...), e...), '"')
	}
	for i := range q.Foreign {
		if f := &q.Foreign[i]; f.Format == Name && strings.HasPrefix(f.Key, outputConfig) {
			config.Field(f.Key[len(outputConfig):], f.Value)
		}
	}
	if len(config.Dst) > 0 {
		o.after = append(append(append(o.after, `,"output_config":{`...), config.Dst...), '}')
	}
	if o.maxTokens == 0 {
		o.maxTokens = defaultMaxTokens
	}
	return think != "" && !strings.HasSuffix(think, `disabled"`)
}

const outputConfig = "output_config."

// sampling writes temperature, top_p and top_k. Beside thoughts there is none
// but top_p.
func (o *build) sampling(think bool, w *hub.Warnings) {
	for _, f := range [...]hub.Field{hub.Temperature, hub.TopP, hub.TopK} {
		v := o.q.Values[f]
		switch {
		case v == nil:
		case o.same:
			o.RawIf(f.String(), v)
		case think:
			w.Add(f, "the model thinks, and then takes none")
		case f == hub.Temperature:
			o.RawIf(f.String(), Temperature(v))
		case f == hub.TopP && o.q.Has(hub.Temperature):
			// Newer models take the one or the other.
			w.Add(f, "there is a temperature, and Anthropic takes only one of them")
		default:
			o.RawIf(f.String(), v)
		}
	}
}

// Temperature is the one asked for, or the most that Claude takes.
func Temperature(v hub.Raw) hub.Raw {
	if t, err := strconv.ParseFloat(string(v), 64); err == nil && t > 1 {
		return hub.Raw("1")
	}
	return v
}

func (o *build) tools() {
	q := o.q
	begun := false
	for i := range q.Tools {
		t := &q.Tools[i]
		if t.Custom != nil || t.Foreign.Format != "" && t.Foreign.Format != Name {
			continue
		}
		if !begun {
			o.Put(`,"tools":[`)
			begun = true
		}
		o.Comma()
		if t.Whole != nil && o.same {
			o.Dst = append(o.Dst, t.Whole...)
			continue
		}
		if t.Foreign.Format == Name {
			o.Dst = append(o.Dst, t.Foreign.Value...)
			continue
		}
		o.Put(`{`)
		o.Text("name", t.Name)
		o.TextIf("description", t.Description)
		o.Raw("input_schema", t.Parameters())
		if string(t.Strict) == "true" {
			o.RawIf("strict", t.Strict)
		}
		o.RawIf("cache_control", t.Cache)
		o.Put("}")
	}
	if !begun {
		return
	}
	o.Put("]")
	c := &q.Choice
	kind := ""
	switch c.Choice {
	case hub.Auto:
		kind = "auto"
	case hub.None:
		kind = "none"
	case hub.Required:
		kind = "any"
	case hub.OneTool:
		kind = "tool"
	case hub.ForeignChoice:
		if c.Foreign.Format == Name {
			o.RawIf("tool_choice", c.Foreign.Value)
		}
		return
	case hub.Unsaid:
		if !c.Single {
			return
		}
		kind = "auto"
	}
	o.Dst = append(append(append(o.Dst, `,"tool_choice":{"type":"`...), kind...), '"')
	if kind == "tool" {
		o.TextIf("name", c.Name)
	}
	if c.Single && kind != "none" {
		o.Put(`,"disable_parallel_tool_use":true`)
	}
	o.Put("}")
}

// rest writes what is neither said nor thought.
func (o *build) rest(w *hub.Warnings) {
	q := o.q
	user := q.Values[hub.SafetyIdentifier]
	if user == nil {
		user = q.Values[hub.UserField]
	}
	if len(user) > 2 && user[0] == '"' {
		o.Dst = append(append(append(o.Dst, `,"metadata":{"user_id":`...), user...), '}')
	}
	switch tier := q.Values[hub.ServiceTier]; string(tier) {
	case "":
	case `"auto"`:
		o.RawIf("service_tier", tier)
	case `"default"`:
		o.Raw("service_tier", hub.Raw(`"standard_only"`))
	default:
		w.Add(hub.ServiceTier, "Anthropic has no tier of that name")
	}
	o.RawIf("cache_control", q.Values[hub.CacheControl])
	for i := range q.Foreign {
		if f := &q.Foreign[i]; f.Format == Name && !strings.HasPrefix(f.Key, outputConfig) {
			o.Field(f.Key, f.Value)
		}
	}
}
