package config

import "github.com/hashicorp/hcl/v2"

// source is where a block stands, for errors found after parsing.
type source struct {
	files map[string]*hcl.File
	block hcl.Range
	body  hcl.Body // the config block; nil: none
	eval  *hcl.EvalContext
}
