package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const docs = "../../docs"

// TestPageIsDrawnFromWhatIsRecorded: the plots and tables of docs/performance.md
// are those of its data.
func TestPageIsDrawnFromWhatIsRecorded(t *testing.T) {
	t.Parallel()
	c, err := readCurves(filepath.Join(docs, recorded))
	if err != nil {
		t.Fatal(err)
	}
	files, err := c.files()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join(docs, filepath.Dir(recorded), name))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what make bench-report draws: %v", name, err)
		}
	}
	got, err := os.ReadFile(filepath.Join(docs, page))
	if err != nil {
		t.Fatal(err)
	}
	if want, err := c.into(got); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s is not what make bench-report writes: %v", page, err)
	}
}

func TestDraw(t *testing.T) {
	t.Parallel()
	c := curve{Name: "body", Grows: "bytes", Unit: "request", Series: []series{
		{Target: floor, Points: []point{{At: 1 << 10, Micros: 100, CPU: 50, MiB: 10}, {At: 1 << 20, Micros: 800, CPU: 200, MiB: 20}}},
		{Target: us, Points: []point{{At: 1 << 10, Micros: 80, CPU: 40, MiB: 60}, {At: 1 << 20, Micros: 700, CPU: 250, MiB: 80}}},
	}}
	var svg bytes.Buffer
	if err := c.draw(&svg); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{">1Ki</text>", ">1Mi</text>", ">CPU, us per request</text>", ">" + us + "</text>", `points="56.0,174.0 280.0,34.0"`} {
		if !strings.Contains(svg.String(), want) {
			t.Errorf("no %s in\n%s", want, svg.String())
		}
	}
	var table bytes.Buffer
	c.table(&table)
	if want := "| 1024 | 100 | 50.0 | 10 | 80 | 40.0 | 60 |\n"; !strings.Contains(table.String(), want) {
		t.Errorf("no %s in\n%s", want, table.String())
	}
}

func TestScales(t *testing.T) {
	t.Parallel()
	for v, want := range map[float64]float64{0: 1, .3: .4, 1: 1, 1.1: 2, 37: 40, 41: 80, 81: 100, 8100: 10000} {
		if got := niceAbove(v); got != want {
			t.Errorf("above %v: %v, want %v", v, got, want)
		}
	}
	for v, want := range map[float64]string{0: "0", .25: "0.25", 1: "1", 1000: "1k", 1500: "1.5k", 4096: "4Ki", 4 << 20: "4Mi", 5000: "5k", 1e4: "10k"} {
		if got := short(v); got != want {
			t.Errorf("%v: %s, want %s", v, got, want)
		}
	}
}
