package gemini

import "github.com/smart-ai-router/smartrouter/core/wire/hub"

// blocked is before the reason for which a prompt was refused, in a finish that
// stands for an answer without candidates.
const blocked = "prompt:"

// finish reads a finishReason. called: the answer has calls in it.
func finish(reason hub.Text, called bool) hub.Finish {
	f := hub.Finish{Reason: hub.FinishStop}
	switch r := string(reason); r {
	case "STOP", "FINISH_REASON_UNSPECIFIED", "":
		if called {
			f.Reason = hub.FinishCalls
		}
	case "MAX_TOKENS":
		f.Reason = hub.FinishLength
	case "SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MODEL_ARMOR", "LANGUAGE",
		"IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION":
		f.Reason, f.Native = hub.FinishFilter, Name+"/"+r
	default: // OTHER, MALFORMED_FUNCTION_CALL, and what comes next
		f.Native = Name + "/" + r
	}
	return f
}

// finishReason is a reason in Gemini's words.
func finishReason(f *hub.Finish) string {
	if own := f.Own(Name); own != "" {
		return own
	}
	switch f.Reason {
	case hub.FinishLength:
		return "MAX_TOKENS"
	case hub.FinishFilter:
		return "SAFETY"
	}
	return "STOP"
}
