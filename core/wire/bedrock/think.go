package bedrock

import (
	"strconv"
	"strings"

	"github.com/smart-ai-router/smartrouter/core/wire/anthropic"
	"github.com/smart-ai-router/smartrouter/core/wire/hub"
)

// Families of models, by a part of their ids. An inference profile's ARN may
// tell none.
const (
	claude = "claude"
	nova   = "nova"
	gptOSS = "openai.gpt-oss"
)

func (o *build) is(family string) bool { return strings.Contains(o.model, family) }

// thinking decides on it. It tells whether the model thinks and then takes no
// temperature.
//
//	Claude   thinking in additionalModelRequestFields, as Anthropic has it
//	Nova     reasoningConfig, https://docs.aws.amazon.com/nova/latest/nova2-userguide/extended-thinking.html
//	gpt-oss  reasoning_effort, https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-openai.html
//	others   outputConfig.effort
func (o *build) thinking(w *hub.Warnings) bool {
	r := o.q.Reasoning
	off := r.Off || r.Effort == "none"
	switch {
	case !r.Set():
		return false
	case o.is(nova):
		return o.novaThinks(off, w)
	case o.is(gptOSS):
		o.dropBudget(w)
		if r.Effort != "" && !off {
			o.additional.Text("reasoning_effort", []byte(lowToHigh(r.Effort)))
		}
		return false
	case off && o.is(claude):
		o.additional.Raw("thinking", []byte(`{"type":"disabled"}`))
		return false
	case off:
		return false
	}
	budget := r.Budget
	if budget == 0 && r.Effort != "" && o.is(claude) && anthropic.Budgeted(o.model) {
		budget = anthropic.BudgetOf(r.Effort)
	}
	switch {
	case budget > 0:
		return o.budget(budget, w)
	case r.Adaptive, r.Effort != "" && o.is(claude):
		if o.q.Choice.Forced() {
			break // which leaves no time to think
		}
		o.additional.Raw("thinking", []byte(`{"type":"adaptive"`+o.display()+`}`))
	}
	if r.Effort != "" {
		e := r.Effort
		if e == "minimal" {
			e = "low"
		}
		o.output.Text("effort", []byte(e))
	}
	// Who only says whether thoughts are shown asks for none.
	return o.is(claude) && !o.q.Choice.Forced() && (r.Adaptive || r.Effort != "")
}

// budget lets the model think for so many tokens, which are maxTokens' too.
func (o *build) budget(budget int64, w *hub.Warnings) bool {
	if m := o.q.MaxTokens; m > 0 && budget >= m {
		budget = m / 2
	}
	if budget < anthropic.LeastBudget || o.q.Choice.Forced() {
		f := hub.ReasoningBudget
		if o.q.Reasoning.Budget == 0 {
			f = hub.ReasoningEffort
		}
		w.Add(f, "max_tokens leaves no room for it, or tool_choice asks for a tool at once")
		return false
	}
	o.additional.Raw("thinking", []byte(`{"type":"enabled","budget_tokens":`+strconv.FormatInt(budget, 10)+o.display()+`}`))
	return true
}

// display says whether thoughts are shown, where Claude lets its clients say so.
func (o *build) display() string {
	switch {
	case anthropic.Budgeted(o.model) || !o.is(claude):
		return ""
	case o.q.Reasoning.Hidden:
		return `,"display":"omitted"`
	}
	return `,"display":"summarized"`
}

func (o *build) novaThinks(off bool, w *hub.Warnings) bool {
	o.dropBudget(w)
	effort := o.q.Reasoning.Effort
	switch {
	case off:
		o.additional.Raw("reasoningConfig", []byte(`{"type":"disabled"}`))
	case effort != "":
		v := `{"type":"enabled","maxReasoningEffort":"` + lowToHigh(effort) + `"}`
		o.additional.Raw("reasoningConfig", []byte(v))
		return lowToHigh(effort) == "high" // which takes none of inferenceConfig
	}
	return false
}

func (o *build) dropBudget(w *hub.Warnings) {
	if o.q.Reasoning.Budget > 0 {
		w.Add(hub.ReasoningBudget, "the model takes an effort and no budget")
	}
}

// lowToHigh is an effort in the words of models that have three.
func lowToHigh(effort string) string {
	switch effort {
	case "minimal":
		return "low"
	case "xhigh", "max":
		return "high"
	}
	return effort
}
