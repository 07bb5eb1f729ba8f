package main

import (
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

func newCurves() *curves {
	return &curves{Go: runtime.Version(), CPUs: runtime.NumCPU(), Taken: time.Now().UTC().Format(time.DateOnly)}
}

func middleOf(all []time.Duration) time.Duration {
	slices.Sort(all)
	return percentile(all, .5)
}

// figures of a point, one panel each.
var panels = []struct {
	title string
	of    func(point) float64
}{
	{"time, p50 in us", func(p point) float64 { return p.Micros }},
	{"CPU, us per %s", func(p point) float64 { return p.CPU }},
	{"memory, MiB (PSS)", func(p point) float64 { return p.MiB }},
}

// The plot's measures in pixels.
const (
	panelWidth, panelHeight = 240, 160
	leftOf, above, below    = 56, 34, 44
	plotWidth               = 3 * (leftOf + panelWidth)
	plotHeight              = above + panelHeight + below
)

// colors of targets, fit for light and dark pages.
var colors = map[string]string{us: "#1f77b4", floor: "#d9822b"}

// draw draws a curve as SVG: what grows runs from left to right, by powers of
// ten, and each figure has a panel whose scale begins at 0.
func (c *curve) draw(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="11" fill="#808080">`+"\n", plotWidth, plotHeight)
	for i, p := range panels {
		title := p.title
		if strings.Contains(title, "%s") {
			title = fmt.Sprintf(title, c.Unit)
		}
		c.panel(&b, float64(leftOf+i*(leftOf+panelWidth)), title, p.of)
	}
	x := float64(leftOf)
	for _, s := range c.Series {
		fmt.Fprintf(&b, `<rect x="%.0f" y="%d" width="10" height="10" fill="%s"/><text x="%.0f" y="%d">%s</text>`+"\n",
			x, plotHeight-14, colors[s.Target], x+14, plotHeight-5, s.Target)
		x += 110
	}
	b.WriteString("</svg>\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func (c *curve) panel(b *strings.Builder, left float64, title string, figure func(point) float64) {
	least, most, highest := math.Inf(1), 0.0, 0.0
	for _, s := range c.Series {
		for _, p := range s.Points {
			least, most, highest = min(least, p.At), max(most, p.At), max(highest, figure(p))
		}
	}
	top := niceAbove(highest)
	const bottom = float64(above + panelHeight)
	x := func(at float64) float64 {
		if most == least {
			return left
		}
		return left + math.Log(at/least)/math.Log(most/least)*(panelWidth-16)
	}
	y := func(v float64) float64 { return bottom - v/top*panelHeight }
	fmt.Fprintf(b, `<text x="%.0f" y="%d" font-weight="bold">%s</text>`+"\n", left, above-14, title)
	for i := range 5 {
		v := top * float64(i) / 4
		fmt.Fprintf(b, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="#808080" stroke-opacity=".3"/><text x="%.1f" y="%.1f" text-anchor="end">%s</text>`+"\n",
			left, y(v), left+panelWidth-16, y(v), left-5, y(v)+4, short(v))
	}
	for _, p := range c.Series[0].Points {
		fmt.Fprintf(b, `<text x="%.1f" y="%.0f" text-anchor="middle">%s</text>`+"\n", x(p.At), bottom+15, short(p.At))
	}
	for _, s := range c.Series {
		var line []string
		for _, p := range s.Points {
			line = append(line, fmt.Sprintf("%.1f,%.1f", x(p.At), y(figure(p))))
			fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>`+"\n", x(p.At), y(figure(p)), colors[s.Target])
		}
		fmt.Fprintf(b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>`+"\n", strings.Join(line, " "), colors[s.Target])
	}
}

// niceAbove is the least of 1, 2, 4 and 8 times a power of ten that is not below.
func niceAbove(v float64) float64 {
	if v <= 0 {
		return 1
	}
	unit := math.Pow(10, math.Floor(math.Log10(v)))
	for _, n := range [...]float64{1, 2, 4, 8} {
		if v <= n*unit {
			return n * unit
		}
	}
	return 10 * unit
}

// short is a number in few characters: 1.5k, 256k, 4M.
func short(v float64) string {
	for _, u := range []struct {
		size float64
		name string
	}{{1 << 20, "Mi"}, {1e6, "M"}, {1 << 10, "Ki"}, {1e3, "k"}} {
		if v >= u.size && math.Mod(v, u.size) == 0 {
			return strconv.FormatFloat(v/u.size, 'g', -1, 64) + u.name
		}
	}
	if v >= 1e3 {
		return strconv.FormatFloat(v/1e3, 'g', 3, 64) + "k"
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

// table writes a curve's figures as Markdown.
func (c *curve) table(w io.Writer) {
	fmt.Fprintf(w, "| %s |", c.Grows)
	ready := c.Series[0].Points[0].Ready > 0
	for _, s := range c.Series {
		fmt.Fprintf(w, " %s: p50 us | CPU us per %s | MiB |", s.Target, c.Unit)
	}
	columns := 1 + 3*len(c.Series)
	if ready {
		io.WriteString(w, " start to ready, ms |")
		columns++
	}
	fmt.Fprintf(w, "\n|%s\n", strings.Repeat("---:|", columns))
	for i, p := range c.Series[0].Points {
		fmt.Fprintf(w, "| %.0f |", p.At)
		for _, s := range c.Series {
			q := s.Points[i]
			fmt.Fprintf(w, " %.0f | %.1f | %.0f |", q.Micros, q.CPU, q.MiB)
		}
		if ready {
			fmt.Fprintf(w, " %.0f |", p.Ready)
		}
		io.WriteString(w, "\n")
	}
}
