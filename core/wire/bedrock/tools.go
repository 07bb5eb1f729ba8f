package bedrock

import (
	"github.com/smart-ai-router/smartrouter/core/wire/hub"
)

// Lines of the system prompt in place of what Converse has no field for.
const (
	noCalls   = "Do not call any tool now."
	oneAtOnce = "Call at most one tool at a time."
)

// tools writes toolConfig. Messages with calls in them need one, even where the
// request offers no tool now.
func (o *build) tools() {
	q := o.q
	known := q.Tools
	called := o.called()
	if len(known) == 0 && len(called) > 0 {
		known = called
	}
	none := q.Choice.Choice == hub.None || len(q.Tools) == 0
	if len(known) == 0 || none && len(called) == 0 {
		return
	}
	o.Put(`,"toolConfig":{"tools":[`)
	for i := range known {
		if known[i].Custom != nil || known[i].Foreign.Format != "" {
			continue // which was refused
		}
		o.Comma()
		o.tool(&known[i])
	}
	o.Put("]")
	switch {
	case none:
		o.asks = append(o.asks, noCalls)
	case q.Choice.Choice == hub.Auto:
		o.Put(`,"toolChoice":{"auto":{}}`)
	case q.Choice.Choice == hub.Required:
		o.Put(`,"toolChoice":{"any":{}}`)
	case q.Choice.Choice == hub.OneTool:
		o.Put(`,"toolChoice":{"tool":{`)
		o.Text("name", q.Choice.Name)
		o.Put(`}}`)
	}
	if q.Choice.Single && !none {
		o.asks = append(o.asks, oneAtOnce)
	}
	o.Put("}")
}

func (o *build) tool(t *hub.Tool) {
	o.Put(`{"toolSpec":{`)
	o.Text("name", t.Name)
	if !blank(t.Description) {
		o.Text("description", t.Description)
	}
	o.Put(`,"inputSchema":{`)
	o.Raw("json", t.Parameters())
	o.Put("}")
	if string(t.Strict) == "true" {
		o.Put(`,"strict":true`)
	}
	o.Put(`}}`)
	o.cachePoint(t.Cache)
}

// called are the tools that the messages have calls of.
func (o *build) called() (tools []hub.Tool) {
	seen := map[string]bool{}
	for i := range o.q.Messages {
		for j := range o.q.Messages[i].Parts {
			p := &o.q.Messages[i].Parts[j]
			if p.Kind == hub.CallPart && !seen[string(p.Call.Name)] {
				seen[string(p.Call.Name)] = true
				tools = append(tools, hub.Tool{Name: p.Call.Name})
			}
		}
	}
	return tools
}
