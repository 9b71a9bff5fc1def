// Package app builds every part of a controller and runs it: [Controller] is one
// replica, [Dev] a whole fleet on one machine. It owns the order in which parts
// start and stop, and the small adapters between parts that do not know each
// other. It decides nothing.
package app
