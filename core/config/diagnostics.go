package config

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
)

// Diagnostic is one thing to say about a file, mostly a mistake.
type Diagnostic struct {
	File string
	// Line and Column count from 1; 0: the file as a whole.
	Line, Column int
	// Summary says what is wrong.
	Summary string
	// Remedy says what to do about it; lines after the first are an example.
	Remedy string
	// Source is the line that is meant, without what looks like a secret.
	Source string
	// caret is a line that points at the place in Source.
	caret string
}

// Error is the mistake, the line that it is about, and an example if there is one.
func (d Diagnostic) Error() string {
	var b strings.Builder
	b.WriteString(d.File)
	if d.Line > 0 {
		fmt.Fprintf(&b, ":%d", d.Line)
	}
	b.WriteString(": " + d.Summary)
	remedy, example, _ := strings.Cut(d.Remedy, "\n")
	if remedy != "" {
		b.WriteString("; " + remedy)
	}
	if d.Source != "" {
		fmt.Fprintf(&b, "\n    %s\n    %s", d.Source, d.caret)
	}
	if example != "" {
		b.WriteString("\n\n    " + strings.ReplaceAll(example, "\n", "\n    "))
	}
	return b.String()
}

// Diagnostics are all that there is to say, sorted by position.
type Diagnostics []Diagnostic

func (ds Diagnostics) Error() string {
	lines := make([]string, len(ds))
	for i, d := range ds {
		lines[i] = d.Error()
	}
	return strings.Join(lines, "\n")
}

// err is nil where there is nothing to say.
func (ds Diagnostics) err() error {
	if len(ds) == 0 {
		return nil
	}
	return ds.sorted()
}

// sorted by position, each thing said once.
func (ds Diagnostics) sorted() Diagnostics {
	slices.SortStableFunc(ds, func(a, b Diagnostic) int {
		return cmp.Or(
			cmp.Compare(a.File, b.File),
			cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Column, b.Column),
			cmp.Compare(a.Summary, b.Summary),
		)
	})
	return slices.Compact(ds)
}

// diagnose points at a range of a file. The zero range is the file as a whole.
func diagnose(f *file, at hcl.Range, remedy, summary string) Diagnostic {
	d := Diagnostic{File: f.name, Line: at.Start.Line, Column: at.Start.Column, Summary: summary, Remedy: remedy}
	d.Source = f.line(at.Start.Line)
	if strings.TrimSpace(d.Source) == "" {
		d.Source = ""
		return d
	}
	// hcl's columns count grapheme clusters, so bytes find the place.
	begin := 0
	if at.Start.Byte <= len(f.src) {
		begin = at.Start.Byte - 1 - strings.LastIndexByte(string(f.src[:at.Start.Byte]), '\n')
	}
	begin = min(begin, len(d.Source))
	end := len(d.Source)
	if at.End.Line == at.Start.Line {
		end = min(begin+at.End.Byte-at.Start.Byte, end)
	}
	blank := func(r rune) rune {
		if r == '\t' {
			return r // keeps the caret below whatever a tab's width is
		}
		return ' '
	}
	width := utf8.RuneCountInString(d.Source[begin:max(begin, end)])
	d.caret = strings.Map(blank, d.Source[:begin]) + strings.Repeat("^", max(1, width))
	return d
}

// problem is a mistake in a value, whose place the caller knows.
type problem struct{ summary, remedy string }

func problemf(remedy, format string, args ...any) *problem {
	return &problem{summary: fmt.Sprintf(format, args...), remedy: remedy}
}

// translate puts one of hcl's own diagnostics into our form.
func translate(d *hcl.Diagnostic) *problem {
	return &problem{summary: lower(d.Summary), remedy: lower(d.Detail)}
}

// lower makes an English sentence part of another.
func lower(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	s = strings.TrimSuffix(strings.TrimSpace(s), ".")
	first, size := utf8.DecodeRuneInString(s)
	second, _ := utf8.DecodeRuneInString(s[size:])
	if unicode.IsUpper(second) {
		return s // an abbreviation
	}
	return string(unicode.ToLower(first)) + s[size:]
}

// Locate says where a plugin stands that something is wrong with, for one that a
// file declares.
func (p *Plugin) Locate(err error) error {
	var located Diagnostics
	if err == nil || p.file == nil || errors.As(err, &located) || errors.Is(err, context.Canceled) {
		return err
	}
	return Diagnostics{diagnose(p.file, p.block, "", err.Error())}
}
