// Package fault gives every refusal and failure one of seven kinds, so that the
// API, the wire, the console and the log say the same about the same event. A
// fault carries a sentence for a person and, for invalid input, the fields that
// were wrong. It wraps its cause; errors.Is and errors.As see through it.
//
// The package never logs. [Kind.HTTPStatus] is the one table that doors use.
package fault

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Kind tells what a caller can do about a fault.
type Kind string

// The seven kinds.
const (
	KindInvalid     Kind = "invalid"     // the request is malformed; see Fields
	KindDenied      Kind = "denied"      // the caller is not known or not allowed
	KindNotFound    Kind = "not_found"   // no such object, or not the caller's
	KindConflict    Kind = "conflict"    // the object changed meanwhile; read it and ask again
	KindRefused     Kind = "refused"     // a rule of the house says no
	KindUnavailable Kind = "unavailable" // try again later; the only kind worth a retry
	KindInternal    Kind = "internal"    // our mistake
)

// HTTPStatus is the status code (RFC 9110) that doors answer for the kind.
func (k Kind) HTTPStatus() int {
	switch k {
	case KindInvalid:
		return 422
	case KindDenied:
		return 403
	case KindNotFound:
		return 404
	case KindConflict, KindRefused:
		return 409
	case KindUnavailable:
		return 503
	default:
		return 500
	}
}

// Field names one wrong input and says what is wrong with it.
type Field struct {
	Name    string `json:"name"`    // path in the request, for example "diagtimeout"
	Message string `json:"message"` // a sentence for a person
}

// Fault is an error with a kind. It crosses the wire as it is.
type Fault struct {
	Kind    Kind    `json:"kind"`
	Message string  `json:"message"`
	Fields  []Field `json:"fields,omitempty"`

	cause error
}

// Error is the message, followed by the fields.
func (f *Fault) Error() string {
	var b strings.Builder
	b.WriteString(f.Message)
	for i, field := range f.Fields {
		sep := "; "
		if i == 0 {
			sep = ": "
		}
		b.WriteString(sep + field.Name + " " + field.Message)
	}
	return b.String()
}

// Unwrap gives the cause, or nil.
func (f *Fault) Unwrap() error { return f.cause }

func newf(k Kind, format string, args ...any) *Fault {
	err := fmt.Errorf(format, args...)
	return &Fault{Kind: k, Message: err.Error(), cause: errors.Unwrap(err)}
}

// Invalid reports malformed input. Use [Check] to collect several fields.
func Invalid(format string, args ...any) *Fault { return newf(KindInvalid, format, args...) }

// Denied reports a caller who is unknown or not allowed.
func Denied(format string, args ...any) *Fault { return newf(KindDenied, format, args...) }

// NotFound reports an object that does not exist, or that the caller may not see.
func NotFound(format string, args ...any) *Fault { return newf(KindNotFound, format, args...) }

// Conflict reports an object that changed since the caller read it.
func Conflict(format string, args ...any) *Fault { return newf(KindConflict, format, args...) }

// Refused reports a rule that says no.
func Refused(format string, args ...any) *Fault { return newf(KindRefused, format, args...) }

// Unavailable reports a part that cannot be reached now. Only this kind is retried.
func Unavailable(format string, args ...any) *Fault { return newf(KindUnavailable, format, args...) }

// Internal reports our own mistake.
func Internal(format string, args ...any) *Fault { return newf(KindInternal, format, args...) }

// KindOf finds the kind of err. A deadline or a cancelled context is
// unavailable; an error without a kind is internal; nil is "".
func KindOf(err error) Kind {
	if err == nil {
		return ""
	}
	var f *Fault
	if errors.As(err, &f) {
		return f.Kind
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return KindUnavailable
	}
	return KindInternal
}

// Is reports whether err is of kind k.
func Is(err error, k Kind) bool { return err != nil && KindOf(err) == k }

// From turns any error into a Fault, keeping kind, fields and the whole text.
func From(err error) *Fault {
	if err == nil {
		return nil
	}
	var f *Fault
	if errors.As(err, &f) {
		if f.Error() == err.Error() {
			return f
		}
		return &Fault{Kind: f.Kind, Message: err.Error(), cause: err}
	}
	return &Fault{Kind: KindOf(err), Message: err.Error(), cause: err}
}

// Check collects everything that is wrong with a request, so that it can be
// said at once (rule X13). The zero value is ready.
type Check struct{ fields []Field }

// Add records a wrong field.
func (c *Check) Add(name, format string, args ...any) {
	c.fields = append(c.fields, Field{Name: name, Message: fmt.Sprintf(format, args...)})
}

// Require records the field as wrong unless ok.
func (c *Check) Require(ok bool, name, format string, args ...any) {
	if !ok {
		c.Add(name, format, args...)
	}
}

// Err is nil when nothing was recorded, else one invalid fault with all fields.
func (c *Check) Err(format string, args ...any) error {
	if len(c.fields) == 0 {
		return nil
	}
	f := Invalid(format, args...)
	f.Fields = c.fields
	return f
}
