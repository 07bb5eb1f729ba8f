package config

import (
	"math"
	"strconv"
	"time"
)

// parseDuration reads "20ms" or "1h30m".
func parseDuration(s string) (time.Duration, *problem) {
	if number().MatchString(s) && s != "0" {
		return 0, problemf(`write "`+s+`s" or "`+s+`ms"`, "a duration needs a unit")
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, problemf(`write one such as "20ms", "5m" or "1h30m"`, "%q is no duration", s)
	}
	return d, nil
}

var (
	number = pattern(`^-?[0-9]+(\.[0-9]+)?$`)
	size   = pattern(`^(-?[0-9]+(?:\.[0-9]+)?) ?([A-Za-z]+)$`)
)

var sizeUnits = map[string]float64{
	"B":  1,
	"KB": 1e3, "MB": 1e6, "GB": 1e9,
	"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30,
}

// parseSize reads "8MiB" or "32KB", in bytes.
func parseSize(s string) (int64, *problem) {
	if number().MatchString(s) && s != "0" {
		return 0, problemf(`write "`+s+`B" for bytes, or use KiB or MiB`, "a size needs a unit")
	}
	if s == "0" {
		return 0, nil
	}
	const remedy = `write one such as "32KiB" or "8MiB"`
	m := size().FindStringSubmatch(s)
	if m == nil {
		return 0, problemf(remedy, "%q is no size", s)
	}
	unit, ok := sizeUnits[m[2]]
	if !ok {
		return 0, problemf("units are B, KB, MB, GB, KiB, MiB and GiB", "%q is no unit of size", m[2])
	}
	n, err := strconv.ParseFloat(m[1], 64)
	if err != nil || math.Abs(n*unit) >= math.MaxInt64 {
		return 0, problemf(remedy, "%q is too large", s)
	}
	return int64(n * unit), nil
}
