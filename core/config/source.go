package config

import (
	"bytes"
	"strings"
	"sync"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// source is where a plugin stands, for what is found after parsing.
type source struct {
	file   *file
	block  hcl.Range
	config *hclsyntax.Block // the config block; nil: none
	eval   *hcl.EvalContext
}

// file is one file's text.
type file struct {
	name string
	src  []byte
	// lines are masked: diagnostics end up in logs.
	lines func() [][]byte
}

func newFile(name string, src []byte) *file {
	return &file{
		name:  name,
		src:   src,
		lines: sync.OnceValue(func() [][]byte { return bytes.Split(mask(src), []byte("\n")) }),
	}
}

// line is the n-th line from 1, without its end.
func (f *file) line(n int) string {
	lines := f.lines()
	if n < 1 || n > len(lines) {
		return ""
	}
	return strings.TrimRight(string(lines[n-1]), "\r")
}

// secretName matches the names of attributes whose text is nobody's business.
var secretName = pattern(`(?i)(^|[_-])(keys?|secrets?|tokens?|passwords?)$`)

// mask hides literal secrets behind asterisks, byte for byte, also in text that
// does not parse. Arguments of functions stay: env("OPENAI_API_KEY") is a name.
func mask(src []byte) []byte {
	masked := bytes.Clone(src)
	// The lexer's own complaints are the parser's to report.
	tokens, _ := hclsyntax.LexConfig(src, "", hcl.InitialPos)
	secret := false // within the value of an attribute that holds one
	name := ""
	calls, depth := 0, 0
	for i, t := range tokens {
		switch t.Type {
		case hclsyntax.TokenEqual, hclsyntax.TokenColon:
			if i == 0 || secret && depth > 0 {
				break
			}
			name = strings.Trim(string(tokens[i-1].Bytes), `"`)
			if tokens[i-1].Type == hclsyntax.TokenCQuote && i > 1 {
				name = string(tokens[i-2].Bytes)
			}
			secret, calls, depth = secretName().MatchString(name), 0, 0
		case hclsyntax.TokenOParen:
			calls++
		case hclsyntax.TokenCParen:
			calls--
		case hclsyntax.TokenOBrack, hclsyntax.TokenOBrace:
			depth++
		case hclsyntax.TokenCBrack, hclsyntax.TokenCBrace:
			depth--
		case hclsyntax.TokenNewline, hclsyntax.TokenComma:
			secret = secret && depth > 0
		case hclsyntax.TokenQuotedLit, hclsyntax.TokenStringLit, hclsyntax.TokenNumberLit:
			// max_tokens = 5 is no secret.
			counts := t.Type == hclsyntax.TokenNumberLit && strings.HasSuffix(name, "tokens")
			if secret && calls <= 0 && !counts {
				for j := t.Range.Start.Byte; j < t.Range.End.Byte; j++ {
					if masked[j] != '\n' {
						masked[j] = '*'
					}
				}
			}
		}
	}
	return masked
}
