package session

import (
	"errors"

	"github.com/steelyard/steelyard/pkg/fault"
)

// Reasons of a [BadFrame]. They are metric labels: the list is closed.
const (
	ReasonEmpty      = "empty"        // a frame without a kind
	ReasonTooLarge   = "too_large"    // longer than its kind allows
	ReasonUnknown    = "unknown_kind" // a kind that this version does not know
	ReasonTruncated  = "truncated"    // the connection ended, or stalled, inside a frame
	ReasonDepth      = "too_deep"     // nested deeper than protocol.MaxDepth
	ReasonLength     = "bad_length"   // a length that the frame cannot hold, or bytes left over
	ReasonElements   = "too_many"     // more elements or entries than allowed
	ReasonShape      = "bad_shape"    // not a map with text keys, or an unknown extension
	ReasonDecode     = "undecodable"  // well-formed, but not this message
	ReasonOutOfOrder = "out_of_order" // a message that may not come now
	ReasonReplayed   = "replayed"     // a message that came before
	ReasonFlood      = "flood"        // more messages than a healthy peer sends
	ReasonVersion    = "version"      // no common version
	ReasonMux        = "multiplexer"  // something below the frames
)

// Reasons lists all of them, for metrics that start at zero.
func Reasons() []string {
	return []string{
		ReasonEmpty, ReasonTooLarge, ReasonUnknown, ReasonTruncated, ReasonDepth, ReasonLength, ReasonElements,
		ReasonShape, ReasonDecode, ReasonOutOfOrder, ReasonReplayed, ReasonFlood, ReasonVersion, ReasonMux,
	}
}

// BadFrame is what a peer did wrong. It is an invalid fault, fit for a Goodbye.
type BadFrame struct {
	Reason string
	fault  *fault.Fault
}

// Bad makes a BadFrame with a sentence for a person.
func Bad(reason, format string, args ...any) *BadFrame {
	return &BadFrame{Reason: reason, fault: fault.Invalid(format, args...)}
}

// Error is the sentence.
func (b *BadFrame) Error() string { return b.fault.Error() }

// Unwrap gives the fault.
func (b *BadFrame) Unwrap() error { return b.fault }

// ReasonOf finds the reason in err, or "".
func ReasonOf(err error) string {
	var b *BadFrame
	if errors.As(err, &b) {
		return b.Reason
	}
	return ""
}
