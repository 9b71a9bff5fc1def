package operation

import (
	"slices"
	"time"
)

// How much of a server's past is kept: its last operations whatever their age, and
// more of them for a while. The audit log keeps what they did to the server.
const (
	KeepLast = 20
	KeepMost = 100
	KeepFor  = 90 * 24 * time.Hour
)

// Surplus lists the ended operations of one server that need not be kept.
func Surplus(ops []*Operation, now time.Time) []string {
	ended := slices.DeleteFunc(slices.Clone(ops), func(o *Operation) bool { return !Final(o.State) })
	slices.SortFunc(ended, func(a, b *Operation) int { return b.FinishedAt.Compare(a.FinishedAt) })
	var ids []string
	for i, o := range ended {
		if i >= KeepMost || i >= KeepLast && now.Sub(o.FinishedAt) > KeepFor {
			ids = append(ids, o.ID)
		}
	}
	return ids
}
