package gemini

import (
	"strconv"

	"github.com/smart-ai-router/smartrouter/core/wire/hub"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
)

// readLogprobs makes chat's logprobs of a logprobsResult; nil: it has none.
func readLogprobs(raw hub.Raw) hub.Raw {
	chosen := child(raw, "chosenCandidates")
	top := rawjson.Cursor{Doc: child(raw, "topCandidates")}
	hasTop := top.Array()
	c := rawjson.Cursor{Doc: chosen}
	if !c.Array() {
		return nil
	}
	out := []byte(`{"content":[`)
	for first := true; c.More(); first = false {
		if !first {
			out = append(out, ',')
		}
		out = appendLogprob(out, c.Skip().Of(chosen))
		out = append(out, `,"top_logprobs":[`...)
		if hasTop && top.More() {
			others := child(top.Skip().Of(top.Doc), "candidates")
			o := rawjson.Cursor{Doc: others}
			for n := 0; n == 0 && o.Array() || n > 0; n++ {
				if !o.More() {
					break
				}
				if n > 0 {
					out = append(out, ',')
				}
				out = append(appendLogprob(out, o.Skip().Of(others)), '}')
			}
		}
		out = append(out, "]}"...)
	}
	return append(out, `],"refusal":null}`...)
}

// appendLogprob appends one token, and leaves its object open.
func appendLogprob(dst []byte, raw hub.Raw) []byte {
	dst = append(append(dst, `{"token":"`...), text(raw, "token")...)
	dst = append(dst, `","logprob":`...)
	if p := child(raw, "logProbability"); len(p) > 0 {
		dst = append(dst, p...)
	} else {
		dst = append(dst, '0') // as proto3 leaves zero out
	}
	return append(dst, `,"bytes":null`...)
}

// logprobs writes chat's logprobs as a logprobsResult, and their mean.
func (o *build) logprobs(raw hub.Raw) {
	content := child(raw, "content")
	c := rawjson.Cursor{Doc: content}
	if !c.Array() {
		return
	}
	var chosen, top []byte
	sum, n := 0.0, 0
	for c.More() {
		v := hub.Raw(c.Skip().Of(content))
		if n > 0 {
			chosen, top = append(chosen, ','), append(top, ',')
		}
		n++
		chosen = appendCandidate(chosen, v)
		if p, err := strconv.ParseFloat(string(child(v, "logprob")), 64); err == nil {
			sum += p
		}
		top = append(top, `{"candidates":[`...)
		others := child(v, "top_logprobs")
		if k := (rawjson.Cursor{Doc: others}); k.Array() {
			for first := true; k.More(); first = false {
				if !first {
					top = append(top, ',')
				}
				top = appendCandidate(top, k.Skip().Of(others))
			}
		}
		top = append(top, "]}"...)
	}
	if n == 0 {
		return
	}
	o.Key("avgLogprobs")
	o.Dst = strconv.AppendFloat(o.Dst, sum/float64(n), 'g', -1, 64)
	o.Key("logprobsResult")
	o.Dst = append(append(o.Dst, `{"topCandidates":[`...), top...)
	o.Dst = append(append(o.Dst, `],"chosenCandidates":[`...), chosen...)
	o.Put("]}")
}

func appendCandidate(dst []byte, raw hub.Raw) []byte {
	dst = append(append(dst, `{"token":"`...), text(raw, "token")...)
	dst = append(dst, `","logProbability":`...)
	if p := child(raw, "logprob"); len(p) > 0 {
		dst = append(dst, p...)
	} else {
		dst = append(dst, '0')
	}
	return append(dst, '}')
}
