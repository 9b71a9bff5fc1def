package kv

import (
	"github.com/steelyard/steelyard/pkg/fault"
)

// Overhead reckoned for each op and compare of a request, in bytes: tags,
// lengths and revisions of the encoding.
const perOp = 32

// Size is the number of bytes that o adds to a request, slightly more than
// the encoding needs.
func (o Op) Size() int { return len(o.Key) + len(o.Value) + perOp }

// Size is the number of bytes that c adds to a request.
func (c Compare) Size() int { return len(c.Key) + perOp }

// Size is the number of bytes that t needs.
func (t Txn) Size() int {
	n := 0
	for _, c := range t.Compares {
		n += c.Size()
	}
	for _, o := range t.Ops {
		n += o.Size()
	}
	return n
}

// Check refuses a Txn that the backend would refuse: too many compares or ops,
// too many bytes, a key written twice, an empty key. The fault is of kind refused.
func (l Limits) Check(t Txn) error {
	if n := max(len(t.Compares), len(t.Ops)); n > l.MaxOps {
		return fault.Refused("the change has %d operations; at most %d fit into one transaction, so make it in smaller steps", n, l.MaxOps)
	}
	if n := t.Size(); n > l.MaxBytes {
		return fault.Refused("the change has %d bytes; at most %d fit into one request, so store less in one record or make smaller steps", n, l.MaxBytes)
	}
	if len(t.Ops) == 1 && t.Ops[0].Key != "" {
		return nil
	}
	seen := make(map[string]struct{}, len(t.Ops))
	for _, o := range t.Ops {
		if o.Key == "" {
			return fault.Internal("a change writes to an empty key")
		}
		if _, twice := seen[o.Key]; twice {
			return fault.Internal("a change writes key %q twice", o.Key)
		}
		seen[o.Key] = struct{}{}
	}
	return nil
}

// CheckRead refuses a Read of more keys than fit into one request.
func (l Limits) CheckRead(keys []string) error {
	if len(keys) > l.MaxOps {
		return fault.Refused("%d keys are read at once; at most %d fit into one request", len(keys), l.MaxOps)
	}
	return nil
}
