package fleet

import (
	"strings"
	"time"
)

// OverrideMost is how long an override may be given for (rule B24).
const OverrideMost = 30 * 24 * time.Hour

func (r *reasons) retired(s *Server) {
	message, since := "it is retired", s.CreatedAt
	if by := s.ApprovedBy; by != nil {
		message, since = "it was retired by "+by.Actor+": "+by.Reason, by.At
	}
	r.add("X1", since, "approval", message)
}

// identity is a reason while it is not settled which machine this is.
func (r *reasons) identity(s *Server) {
	p := s.PendingIdentity
	if p == nil {
		return
	}
	changes := strings.Join(p.Changes, ", ")
	if p.Rejected != nil {
		r.add("X1", p.Seen, "pending_identity", "it still reports parts that were rejected: "+changes)
		return
	}
	r.add("X1", p.Seen, "pending_identity", "its parts changed, and nobody confirmed that it is the same machine: "+changes)
}

// words say for how long it was announced; whether that is over is in the record.
func (m *Maintenance) words() string {
	switch {
	case m.Until.IsZero():
		return "it is in maintenance: " + m.Reason
	case m.Overdue:
		return "it is in maintenance, which should have ended at " + minute(m.Until) + ": " + m.Reason
	}
	return "it is in maintenance until " + minute(m.Until) + ": " + m.Reason
}

func minute(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// Unsettled tells why nothing that writes to the disks of s may be sent or begun: it is not
// sure which machine it is (rule X1). "" means that it is.
func (s *Server) Unsettled() string {
	switch {
	case s.Quarantine != nil:
		return "it is in quarantine: " + s.Quarantine.Reason
	case s.PendingIdentity != nil:
		return "its parts changed (" + strings.Join(s.PendingIdentity.Changes, ", ") + ") and nobody confirmed that it is the same machine"
	}
	return ""
}
