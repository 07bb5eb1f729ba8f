package region

import (
	"math"
	"strings"
	"testing"
)

func TestKilometres(t *testing.T) {
	t.Parallel()
	tests := []struct {
		from, to  string
		low, high float64
	}{
		{"us-east-1", "us-east-1", 0, 0},
		{"us-east-1", "eu-west-1", 5300, 5600},
		{"eu-west-1", "eu-west-2", 400, 520},
		{"eu-west-1", "northeurope", 0, 0},
		{"ap-northeast-1", "us-west-2", 7600, 8100},
		{"asia-southeast1", "southamerica-east1", 15700, 16300},
		{"US-East-1", "us-east-1", 0, 0},
		{"the cellar", "The Cellar", 0, 0},
	}
	for _, tt := range tests {
		for _, way := range [][2]string{{tt.from, tt.to}, {tt.to, tt.from}} {
			if km, ok := Kilometres(way[0], way[1]); !ok || km < tt.low || km > tt.high {
				t.Errorf("%s to %s: %.0f km, %v, want %.0f to %.0f", way[0], way[1], km, ok, tt.low, tt.high)
			}
		}
	}
	for _, way := range [][2]string{{"", ""}, {"", "us-east-1"}, {"us-east-1", "the cellar"}, {"the attic", "the cellar"}} {
		if km, ok := Kilometres(way[0], way[1]); ok {
			t.Errorf("%q to %q: %.0f km, and it is not known", way[0], way[1], km)
		}
	}
	if !Known("EU-West-1") || Known("the cellar") || Known("") {
		t.Error("what is known is not")
	}
}

func TestPlacesAreOnEarth(t *testing.T) {
	t.Parallel()
	for name, p := range places {
		if name != strings.ToLower(name) || p == (place{}) || math.Abs(p.lat) > 70 || math.Abs(p.lon) > 180 {
			t.Errorf("%s is at %v", name, p)
		}
	}
}
