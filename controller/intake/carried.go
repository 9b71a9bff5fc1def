package intake

import (
	"slices"
	"time"

	"github.com/steelyard/steelyard/controller/core/outofband"
	"github.com/steelyard/steelyard/controller/core/usage"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/protocol"
)

// PutCarried stores what books counted of one month of a server, merged with what is stored (rules U1, U5). With the first figures of a month, those that nobody tells any more are shortened. What is
// known already is not written. refused is how many books found no room.
func PutCarried(tx *store.Tx, server, month string, months []protocol.UsageMonth, list ...usage.Carried) (refused int, err error) {
	id := store.ServerUsageKey(server, month)
	r, known, err := store.ServerUsage.Find(tx, id)
	if err != nil {
		return 0, err
	}
	r.Books = slices.Clone(r.Books)
	news := false
	for i := range list {
		n, full := r.Raise(&list[i])
		if news = news || n; full {
			refused++
		}
	}
	if !news {
		return refused, nil
	}
	r.Shorten(endOf(months, month))
	if !known {
		if err := shortenOld(tx, server, month, months); err != nil {
			return refused, err
		}
	}
	return refused, store.ServerUsage.Put(tx, id, r)
}

// endOf is when a month is over, in seconds since 1970, and whether somebody still tells something of it.
func endOf(months []protocol.UsageMonth, name string) (to int64, told bool) {
	for _, m := range months {
		if m.Name == name {
			return m.To * 900, true
		}
	}
	return 0, false
}

// shortenAtOnce is how many months one commit shortens: a server that was away for long has more, and they wait for the next month.
const shortenAtOnce = 8

func shortenOld(tx *store.Tx, server, month string, months []protocol.UsageMonth) error {
	done := 0
	for item := range store.ServerUsage.WithPrefix(tx.Hint(), store.ServerUsageKey(server, "")) {
		of := item.ID[len(server)+1:]
		if _, told := endOf(months, of); told || of >= month || item.Value.Short() {
			continue
		}
		r, known, err := store.ServerUsage.Find(tx, item.ID)
		if err != nil {
			return err
		}
		if !known {
			continue
		}
		r.Books = slices.Clone(r.Books)
		r.Shorten(0, false)
		if err := store.ServerUsage.Put(tx, item.ID, r); err != nil {
			return err
		}
		if done++; done == shortenAtOnce {
			return nil
		}
	}
	return nil
}

// CountWired adds what the switch counted of a server between two readings to its months. It is for the commit that stores the later one.
func CountWired(tx *store.Tx, before, now *outofband.Traffic, clock time.Time) error {
	if before.At.IsZero() || !now.At.After(before.At) {
		return nil
	}
	setting, _, err := store.Settings.Find(tx, store.FleetSettings)
	if err != nil {
		return err
	}
	months := usage.Months(usage.Zone(setting.TimeZone), clock)
	gap := now.GapCount > before.GapCount
	pieces := usage.Split(months, before.At.Unix(), now.At.Unix(), now.InBytes-before.InBytes, now.OutBytes-before.OutBytes)
	for i := range pieces {
		p := &pieces[i]
		r, _, err := store.ServerUsage.Find(tx, store.ServerUsageKey(now.Server, p.Month.Name))
		if err != nil {
			return err
		}
		c := usage.Carried{Book: usage.SwitchBook}
		if stored := r.Find(usage.SwitchBook); stored != nil {
			c = *stored
		}
		c.Count(p, 1+setting.TimeZoneChanges, now.At.Unix(), gap)
		if _, err := PutCarried(tx, now.Server, p.Month.Name, months, c); err != nil {
			return err
		}
	}
	return nil
}
