package usage

import "github.com/steelyard/steelyard/protocol"

// Space is what one account takes of the disk of its server, as it was measured last.
type Space protocol.Stored

// Raise takes in another measurement, and reports whether it is news: the later one stays. Two of the same second that differ are merged by maximum, so that their order does not matter.
func (s *Space) Raise(o *Space) bool {
	switch {
	case o.At < s.At:
		return false
	case o.At > s.At:
		*s = *o
		return true
	}
	before := *s
	s.Home, s.WWW, s.Mail, s.Databases = max(s.Home, o.Home), max(s.WWW, o.WWW), max(s.Mail, o.Mail), max(s.Databases, o.Databases)
	return *s != before
}

// Total is the sum of the classes, in bytes.
func (s *Space) Total() uint64 { return s.Home + s.WWW + s.Mail + s.Databases }

// MaxSpace bounds one figure, in bytes.
const MaxSpace = 1 << 60

// Plausible reports whether a node may say this.
func (s *Space) Plausible() bool {
	return s.Home <= MaxSpace && s.WWW <= MaxSpace && s.Mail <= MaxSpace && s.Databases <= MaxSpace && s.At < 1<<40
}
