package seal

import (
	"slices"
	"time"
)

// Standing is a data key as a person is told of it.
type Standing struct {
	ID        string
	CreatedAt time.Time
	CreatedBy string
	Current   bool // new secrets are sealed with it; the others are being removed
	Readable  bool // this controller's authority made it
	Secrets   int  // that are sealed with it
}

// List tells all data keys, oldest first, from the present snapshot.
func (r *Ring) List() []Standing {
	snap := r.store.Snapshot()
	sealed := map[string]int{}
	for _, h := range declared {
		h.each(snap, func(_, key string) { sealed[key]++ })
	}
	st, ok := states.In(snap, ring)
	if !ok {
		return nil
	}
	var list []Standing
	for item := range Keys.Items(snap) {
		k := item.Value
		_, err := r.opened(*k)
		list = append(list, Standing{k.ID, k.CreatedAt, k.CreatedBy, k.ID == st.Current, err == nil, sealed[k.ID]})
	}
	slices.SortStableFunc(list, func(a, b Standing) int { return a.CreatedAt.Compare(b.CreatedAt) })
	return list
}

// Rotating reports whether a rotation is under way.
func (r *Ring) Rotating() bool {
	st, ok := states.In(r.store.Snapshot(), ring)
	return ok && len(st.Retiring) > 0
}
