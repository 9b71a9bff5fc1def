package main

import (
	"math"
	"strconv"
	"strings"
)

// told is a value with its unit, as Grafana names it.
func told(v float64, unit string) string {
	switch unit {
	case "bytes":
		return scaled(v, 1024, []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"})
	case "bps":
		return scaled(v, 1000, []string{"bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"})
	case "percent":
		return strconv.FormatFloat(v, 'f', 0, 64) + " %"
	case "s":
		return span(v)
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

func scaled(v, by float64, names []string) string {
	i := 0
	for ; v >= by && i < len(names)-1; i++ {
		v /= by
	}
	text := strconv.FormatFloat(v, 'f', 1, 64)
	if v >= 100 {
		text = strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strings.TrimSuffix(text, ".0") + " " + names[i]
}

func span(v float64) string {
	switch {
	case v < 100:
		return strconv.Itoa(int(v)) + " s"
	case v < 6000:
		return strconv.Itoa(int(v/60)) + " min"
	}
	return strconv.Itoa(int(v/3600)) + " h"
}

// rounded is a value of the axis that is not less, of which a quarter is a short number.
func rounded(v float64, unit string) float64 {
	if v <= 0 {
		return 4
	}
	by, scale := 1000.0, 1.0
	if unit == "bytes" {
		by = 1024
	}
	for v/scale >= by {
		scale *= by
	}
	ten := math.Pow(10, math.Floor(math.Log10(v/scale)))
	for _, m := range []float64{1, 2, 4, 6, 8, 10} {
		if m*ten*scale >= v {
			return m * ten * scale
		}
	}
	return v
}
