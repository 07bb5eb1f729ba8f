package anthropic

import "github.com/smart-ai-router/smartrouter/core/wire/hub"

// finish reads a stop_reason.
func finish(reason, sequence hub.Text) hub.Finish {
	f := hub.Finish{Reason: hub.FinishStop}
	switch r := string(reason); r {
	case "end_turn", "":
	case "stop_sequence":
		f.Stop = sequence
	case "max_tokens":
		f.Reason = hub.FinishLength
	case "tool_use":
		f.Reason = hub.FinishCalls
	case "model_context_window_exceeded":
		f.Reason, f.Native = hub.FinishLength, Name+"/"+r
	case "refusal":
		f.Reason, f.Native = hub.FinishFilter, Name+"/"+r
	default: // pause_turn, and what comes next
		f.Native = Name + "/" + r
	}
	return f
}

// stopReason is a reason in Anthropic's words.
func stopReason(f *hub.Finish) string {
	if own := f.Own(Name); own != "" {
		return own
	}
	switch f.Reason {
	case hub.FinishLength:
		return "max_tokens"
	case hub.FinishCalls, hub.FinishOldCall:
		return "tool_use"
	case hub.FinishFilter:
		return "refusal"
	}
	if len(f.Stop) > 0 {
		return "stop_sequence"
	}
	return "end_turn"
}
