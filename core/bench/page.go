package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
)

const (
	// recorded is what the curves of a page are drawn from, and beside it are
	// the plots.
	recorded = "performance/curves.json"
	page     = "performance.md"
	// What stands between these lines of the page is written by draw.
	curvesBegin = "<!-- curves: written by make bench-report -->\n"
	curvesEnd   = "<!-- end of curves -->\n"
)

// drawPage draws the plots of a docs folder, and writes its page's part about them.
func drawPage(docs string) error {
	c, err := readCurves(filepath.Join(docs, recorded))
	if err != nil {
		return err
	}
	files, err := c.files()
	if err != nil {
		return err
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(docs, filepath.Dir(recorded), name), text, 0o644); err != nil {
			return err
		}
	}
	at := filepath.Join(docs, page)
	text, err := os.ReadFile(at)
	if err != nil {
		return err
	}
	if text, err = c.into(text); err != nil {
		return err
	}
	return os.WriteFile(at, text, 0o644)
}

// files are the plots by name.
func (c *curves) files() (map[string][]byte, error) {
	files := make(map[string][]byte)
	for i := range c.Curves {
		var svg bytes.Buffer
		if err := c.Curves[i].draw(&svg); err != nil {
			return nil, err
		}
		files[c.Curves[i].Name+".svg"] = svg.Bytes()
	}
	return files, nil
}

// into replaces what a page says of the curves.
func (c *curves) into(text []byte) ([]byte, error) {
	before, rest, ok1 := bytes.Cut(text, []byte(curvesBegin))
	_, after, ok2 := bytes.Cut(rest, []byte(curvesEnd))
	if !ok1 || !ok2 {
		return nil, fmt.Errorf("%s has no place for the curves", page)
	}
	var out bytes.Buffer
	out.Write(before)
	out.WriteString(curvesBegin)
	fmt.Fprintf(&out, "\nRecorded on %s with %s on %d CPUs, which all parts shared. Memory is the PSS of the whole process tree.\n", c.Taken, c.Go, c.CPUs)
	for i := range c.Curves {
		k := &c.Curves[i]
		fmt.Fprintf(&out, "\n### By %s\n\n![Time, CPU and memory by %s](%s/%s.svg)\n\n", k.Grows, k.Grows, filepath.Dir(recorded), k.Name)
		k.table(&out)
	}
	out.WriteString("\n")
	out.WriteString(curvesEnd)
	out.Write(after)
	return out.Bytes(), nil
}
