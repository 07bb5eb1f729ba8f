package cli

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/smart-ai-router/smartrouter/core/batch"
)

// progress shows how far a batch is: a line that is drawn anew in a terminal,
// a line for each tenth elsewhere.
type progress struct {
	w        io.Writer
	terminal bool
	samples  []sample
	last     string // what was shown
	tenth    int
	status   batch.Status
}

// sample is how many lines were done when.
type sample struct {
	at   time.Time
	done int
}

// rateOver is the time over which the rate is taken.
const rateOver = 10 * time.Second

func newProgress(w io.Writer) *progress {
	_, _, ok := terminal(w)
	return &progress{w: w, terminal: ok, tenth: -1}
}

// tell shows the batch as it is now.
func (p *progress) tell(b *batch.Batch, now time.Time) {
	c := b.RequestCounts
	p.samples = append(p.samples, sample{now, c.Completed + c.Failed})
	for len(p.samples) > 2 && now.Sub(p.samples[0].at) > rateOver {
		p.samples = p.samples[1:]
	}
	text := p.line(b)
	if p.terminal {
		if _, columns, ok := terminal(p.w); ok && columns > 0 && len(text) > columns-1 {
			text = text[:columns-1]
		}
		fmt.Fprint(p.w, "\r"+text+eraseLine)
		p.last = text
		return
	}
	tenth := 0
	if c.Total > 0 {
		tenth = 10 * (c.Completed + c.Failed) / c.Total
	}
	if tenth != p.tenth || b.Status != p.status {
		p.tenth, p.status = tenth, b.Status
		fmt.Fprintln(p.w, text)
	}
}

// note shows something else, once.
func (p *progress) note(text string) {
	if text == p.last {
		return
	}
	p.last = text
	if p.terminal {
		text = "\r" + text + eraseLine
	} else {
		text += "\n"
	}
	fmt.Fprint(p.w, text)
}

// end leaves what is shown.
func (p *progress) end() {
	if p.terminal {
		fmt.Fprintln(p.w)
	}
}

// barWidth in characters.
const barWidth = 24

// line is such as
//
//	in_progress [########----------------]  33 %  3,333 of 10,000  1,111/s  6s left  2 failed
func (p *progress) line(b *batch.Batch) string {
	c := b.RequestCounts
	if c.Total == 0 {
		return string(b.Status)
	}
	done := c.Completed + c.Failed
	full := barWidth * done / c.Total
	out := fmt.Sprintf("%s [%s%s] %3d %%  %s of %s", b.Status, strings.Repeat("#", full), strings.Repeat("-", barWidth-full),
		100*done/c.Total, thousands(done), thousands(c.Total))
	if rate := p.rate(); rate > 0 {
		out += fmt.Sprintf("  %s/s", perSecond(rate))
		if done < c.Total {
			left := time.Duration(float64(c.Total-done) / rate * float64(time.Second))
			out += fmt.Sprintf("  %s left", left.Round(time.Second))
		}
	}
	if c.Failed > 0 {
		out += fmt.Sprintf("  %s failed", thousands(c.Failed))
	}
	return out
}

// rate of lines a second.
func (p *progress) rate() float64 {
	first, last := p.samples[0], p.samples[len(p.samples)-1]
	if took := last.at.Sub(first.at).Seconds(); took > 0 {
		return float64(last.done-first.done) / took
	}
	return 0
}

func perSecond(rate float64) string {
	if rate < 10 {
		return strconv.FormatFloat(rate, 'f', 1, 64)
	}
	return thousands(int(rate + 0.5))
}

// thousands writes 10000 as 10,000.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
