//go:build !race

package wire

// many is how many agents one process holds in the test.
const many = 500
