// Package regex is the guard that rejects prompts by patterns, or masks what
// they match. The patterns are RE2's, so that no text makes one slow.
//
// It judges text as the model gets it: escapes in the JSON are undone. Each piece
// of text is looked at by itself: a pattern does not match over two of them.
package regex

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/smart-ai-router/smartrouter/sdk"
)

// guard is the plugin; its tagged fields are the config block.
type guard struct {
	Deny        []deny `config:"deny" doc:"a request whose text it matches is rejected"`
	Mask        []mask `config:"mask" doc:"what it matches is replaced"`
	AllowTokens bool   `config:"allow_tokens" doc:"let prompts pass that come as the numbers of their tokens, unread"`

	denials, masks []rule
}

type deny struct {
	Name    string   `config:"name,label" doc:"of the rule"`
	Pattern string   `config:"pattern,required" doc:"in RE2's syntax"`
	Message string   `config:"message" doc:"for the client"`
	Roles   []string `config:"roles" doc:"only in messages of these, such as user, or in definitions of tools and of the form of answers (definitions); none: in all text"`
	Paths   []string `config:"paths" doc:"only at or below these JSON pointers, in which * is any one step; none: everywhere"`
}

type mask struct {
	Name    string   `config:"name,label" doc:"of the rule"`
	Pattern string   `config:"pattern,required" doc:"in RE2's syntax"`
	With    string   `config:"with,required" doc:"what takes its place; $1 is the first group"`
	Roles   []string `config:"roles" doc:"only in messages of these, such as user, or in definitions of tools and of the form of answers (definitions); none: in all text"`
	Paths   []string `config:"paths" doc:"only at or below these JSON pointers, in which * is any one step; none: everywhere"`
}

// rule is a deny or a mask, ready.
type rule struct {
	pattern *regexp.Regexp
	say     string // the message, or what takes the place
	roles   []string
	paths   [][]string
}

// New is the plugin.
func New() *sdk.Plugin {
	return &sdk.Plugin{
		Name: "regex", Doc: "Rejects requests whose text matches a pattern, or masks what it matches.",
		Needs: []string{sdk.NeedPrompt}, Computes: true, Guard: &guard{},
	}
}

// Validate is part of sdk.Validator.
func (g *guard) Validate() error {
	g.denials, g.masks = nil, nil
	var errs []error
	for i, d := range g.Deny {
		say := d.Message
		if say == "" {
			say = fmt.Sprintf("The request has something in it that this router does not let through (%s).", d.Name)
		}
		r, err := newRule(fmt.Sprintf("deny.%d", i), d.Pattern, say, d.Roles, d.Paths)
		g.denials, errs = append(g.denials, r), append(errs, err)
	}
	for i, m := range g.Mask {
		r, err := newRule(fmt.Sprintf("mask.%d", i), m.Pattern, m.With, m.Roles, m.Paths)
		g.masks, errs = append(g.masks, r), append(errs, err)
	}
	if len(g.Deny)+len(g.Mask) == 0 {
		errs = append(errs, errors.New(`has no rule: add deny "name" { ... } or mask "name" { ... }`))
	}
	return errors.Join(errs...)
}

func newRule(at, pattern, say string, roles, paths []string) (r rule, err error) {
	r = rule{say: say, roles: roles}
	for i, p := range paths {
		if !strings.HasPrefix(p, "/") {
			return r, sdk.ConfigError{Path: fmt.Sprintf("%s.paths.%d", at, i), Message: "must begin with a slash, such as /messages/*/content"}
		}
		r.paths = append(r.paths, strings.Split(p[1:], "/"))
	}
	if r.pattern, err = regexp.Compile(pattern); err != nil {
		return r, sdk.ConfigError{Path: at + ".pattern", Message: err.Error()}
	}
	if r.pattern.MatchString("") {
		return r, sdk.ConfigError{Path: at + ".pattern", Message: "matches where there is nothing, hence everywhere"}
	}
	return r, nil
}

// Start is part of sdk.Starter.
func (g *guard) Start(_ context.Context, s sdk.Setup) error {
	if !slices.Contains(s.Grants, sdk.NeedPrompt) {
		return errors.New(`sees no prompt, so it would let everything pass; add grants = ["prompt"] to its block`)
	}
	return nil
}

// Inspect is part of sdk.Guard.
func (g *guard) Inspect(_ context.Context, _ sdk.Request, p sdk.Prompt) (sdk.Ruling, error) {
	texts, numbers := p.Read()
	if numbers && !g.AllowTokens {
		return reject("The prompt comes as the numbers of its tokens, which this router can't read. Send its text."), nil
	}
	for _, t := range texts {
		for i := range g.denials {
			if d := &g.denials[i]; d.covers(&t) && d.pattern.MatchString(t.Text) {
				return reject(d.say), nil
			}
		}
	}
	var ops []sdk.PatchOp
	for _, t := range texts {
		text := t.Text
		for i := range g.masks {
			if m := &g.masks[i]; m.covers(&t) {
				text = m.pattern.ReplaceAllString(text, m.say)
			}
		}
		if text != t.Text {
			ops = append(ops, sdk.Replace(t.Path, text))
		}
	}
	return sdk.Edited(ops...), nil
}

func reject(message string) sdk.Ruling {
	return sdk.Ruling{Rejection: &sdk.Rejection{Code: "content_policy_violation", Message: message}}
}

// covers reports whether the rule is about a text. One in a message without a
// role that can be read is nobody's, so it may be anybody's.
func (r *rule) covers(t *sdk.Text) bool {
	if len(r.roles) > 0 && t.Role != "" && !slices.Contains(r.roles, t.Role) {
		return false
	}
	if len(r.paths) == 0 {
		return true
	}
	steps := strings.Split(t.Path[1:], "/")
	return slices.ContainsFunc(r.paths, func(p []string) bool {
		if len(p) > len(steps) {
			return false
		}
		for i, step := range p {
			if step != "*" && step != steps[i] {
				return false
			}
		}
		return true
	})
}
