package hub

import (
	"net/http"

	"github.com/smart-ai-router/smartrouter/core/wire"
)

// Check holds a request against a target's rules. The error says which field
// the target can't do without being asked for something else; the warnings say
// what is left out for it.
//
// Foreign fields, tools and parts are the target's own where it is their format.
func (f *Format) Check(q *Request) (warnings Warnings, err *wire.Error) {
	set := q.Fields()
	for _, field := range allOf {
		if !set.Has(field) {
			continue
		}
		rule := &f.Out.Rules[field]
		switch rule.How {
		case Dropped:
			if field == ForeignFields || field == ForeignParts || field == ForeignTools {
				warnings = f.foreign(warnings, q, field)
				continue
			}
			warnings.Add(field, f.Title+" has no such thing")
		case Refused:
			if !f.concerns(q, field) {
				continue
			}
			why := ""
			if rule.Note != "" {
				why = ": " + rule.Note
			}
			return nil, &wire.Error{
				Status: http.StatusBadRequest, Type: "invalid_request_error", Code: "unsupported_parameter", Param: field.String(),
				Message: "The provider of this model can't do what " + field.String() + " asks for" + why + ".",
			}
		}
	}
	return warnings, nil
}

var allOf = Fields()

// Warnings are what was left out of a request, and why.
type Warnings []string

// Add warns that a field is left out.
func (w *Warnings) Add(field Field, why string) { w.left(field.String(), why) }

func (w *Warnings) left(what, why string) { *w = append(*w, what+": left out, "+why) }

// concerns tells whether a field is a stranger to the format.
func (f *Format) concerns(q *Request, field Field) bool {
	switch field {
	case ForeignTools:
		for i := range q.Tools {
			if o := q.Tools[i].Foreign.Format; o != "" && o != f.Name {
				return true
			}
		}
		return false
	case ForeignParts:
		return len(f.foreign(nil, q, field)) > 0
	case ForeignFields:
		return len(f.foreign(nil, q, field)) > 0
	}
	return true
}

// foreign warns of what is another format's alone, by its names.
func (f *Format) foreign(warnings Warnings, q *Request, field Field) Warnings {
	why := f.Title + " has no such thing"
	switch field {
	case ForeignFields:
		for i := range q.Foreign {
			if q.Foreign[i].Format != f.Name {
				warnings.left(q.Foreign[i].Key, why)
			}
		}
	case ForeignTools:
		if f.concerns(q, ForeignTools) {
			warnings.left("tools of the client's own provider", why)
		}
	case ForeignParts:
		for i := range q.Messages {
			for j := range q.Messages[i].Parts {
				if p := &q.Messages[i].Parts[j]; p.Kind == ForeignPart && p.Foreign.Format != f.Name {
					warnings.left("content of the type "+p.Foreign.Key, why)
					return warnings
				}
			}
		}
	}
	return warnings
}
