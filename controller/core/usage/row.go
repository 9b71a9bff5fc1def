package usage

// Row is what one account had in one month, by one book of one server. The zero value is nothing.
type Row struct {
	Traffic Traffic
	Zone    uint32 // number of the time zone that the month is of
}

// Raise takes in what was said of the same account, month and book, and reports whether that is news. It may be said again and in any order: of the same zone the larger figures
// stay, because counts only grow; of several zones those of the latest.
func (r *Row) Raise(o *Row) bool {
	if o.Zone != r.Zone {
		if o.Zone > r.Zone {
			*r = *o
			return true
		}
		return false
	}
	more := false
	for i := range r.Traffic {
		t, n := &r.Traffic[i], o.Traffic[i]
		if n.In > t.In {
			t.In, more = n.In, true
		}
		if n.Out > t.Out {
			t.Out, more = n.Out, true
		}
	}
	return more
}
