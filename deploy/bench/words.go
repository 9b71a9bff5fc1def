package main

import (
	"strconv"
	"strings"
)

// words splits a line that a parent sent.
func words(line string) []string { return strings.Fields(line) }

// number is the nth word as a number, 0 when it is none.
func number(list []string, n int) int {
	if n >= len(list) {
		return 0
	}
	v, _ := strconv.Atoi(list[n])
	return v
}
