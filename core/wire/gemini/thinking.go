package gemini

import (
	"strconv"
	"strings"

	"github.com/smart-ai-router/smartrouter/core/wire/hub"
)

// What a model may be told about its thinking
// (https://ai.google.dev/gemini-api/docs/thinking): from Gemini 3 on a level,
// Gemini 2.5 a budget, older ones nothing.
type thinker uint8

const (
	byLevel thinker = iota
	byBudget
	thoughtless
)

func thinkerOf(model string) thinker {
	switch {
	case strings.Contains(model, "gemini-2.5"):
		return byBudget
	case strings.Contains(model, "gemini-1"), strings.Contains(model, "gemini-2"), strings.Contains(model, "gemma"):
		return thoughtless
	}
	return byLevel
}

// pro models can't be kept from thinking.
func pro(model string) bool { return strings.Contains(model, "pro") }

// Budgets of Gemini 2.5, in tokens.
const (
	leastPro  = 128
	mostPro   = 32768
	mostFlash = 24576
)

// efforts are budgets and levels of an effort.
var efforts = map[string]struct {
	budget int64
	level  string
}{
	"minimal": {1024, "MINIMAL"}, "low": {2048, "LOW"}, "medium": {8192, "MEDIUM"}, "high": {mostFlash, "HIGH"},
	"xhigh": {mostPro, "HIGH"}, "max": {mostPro, "HIGH"},
}

// thinking writes the thinkingConfig, where anything is said of it.
func (o *build) thinking(w *hub.Warnings) {
	r := &o.q.Reasoning
	if !r.Set() {
		return
	}
	at := len(o.Dst)
	o.Key("thinkingConfig")
	o.Put("{")
	begun := len(o.Dst)
	switch kind := thinkerOf(o.q.Model); {
	case o.same:
		o.asItCame(r)
	case kind == thoughtless:
		if r.Budget > 0 {
			w.Add(hub.ReasoningBudget, "this model does not think")
		} else {
			w.Add(hub.ReasoningEffort, "this model does not think")
		}
	case kind == byBudget:
		o.budget(r)
	default:
		o.level(r)
	}
	if len(o.Dst) == begun {
		o.Dst = o.Dst[:at]
		return
	}
	o.Put("}")
}

// asItCame writes what a client of Gemini's has said.
func (o *build) asItCame(r *hub.Reasoning) {
	if r.Shown || r.Hidden {
		o.Raw("includeThoughts", hub.Raw(strconv.FormatBool(r.Shown)))
	}
	switch {
	case r.Budget > 0:
		o.Int("thinkingBudget", r.Budget)
	case r.Adaptive:
		o.Int("thinkingBudget", -1)
	case r.Off:
		o.Int("thinkingBudget", 0)
	}
	if r.Effort != "" {
		o.Text("thinkingLevel", hub.Text(strings.ToUpper(r.Effort)))
	}
}

// shown asks for the thoughts of a model that thinks, as clients of other formats
// see them.
func (o *build) shown(r *hub.Reasoning) {
	if !r.Hidden {
		o.Raw("includeThoughts", hub.Raw("true"))
	}
}

func (o *build) budget(r *hub.Reasoning) {
	n, most, isPro := r.Budget, int64(mostFlash), pro(o.q.Model)
	if isPro {
		most = mostPro
	}
	switch {
	case r.Off, r.Effort == "none":
		if isPro {
			o.Int("thinkingBudget", leastPro)
		} else {
			o.Int("thinkingBudget", 0)
		}
		return
	case n == 0 && r.Effort != "":
		n = efforts[r.Effort].budget
	case n == 0 && r.Adaptive:
		n = -1
	}
	o.shown(r)
	if n = min(n, most); n != 0 {
		o.Int("thinkingBudget", n)
	}
}

func (o *build) level(r *hub.Reasoning) {
	level := efforts[r.Effort].level
	switch {
	case r.Off, r.Effort == "none":
		level = "MINIMAL"
	case level != "", r.Budget <= 0:
	case r.Budget <= efforts["low"].budget:
		level = "LOW"
	case r.Budget <= efforts["medium"].budget:
		level = "MEDIUM"
	default:
		level = "HIGH"
	}
	if level == "MINIMAL" && pro(o.q.Model) {
		level = "LOW"
	}
	if !r.Off && r.Effort != "none" {
		o.shown(r)
	}
	o.TextIf("thinkingLevel", hub.Text(level))
}
