//go:build race

package wire

// many is less under the race detector, where handshakes take ten times as long.
const many = 100
