// Package outofband owns what is known of the ways to a server that need no agent:
// its management controller and the switch ports it is plugged into. It holds
// the records and the rules that accept them. Pure.
package outofband
