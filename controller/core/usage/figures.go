package usage

import (
	"time"

	"github.com/steelyard/steelyard/controller/core/reselling"
)

// Figures are what one account used. Accounts that are gone keep theirs (rule C21).
type Figures struct {
	Account  string
	Domain   string
	User     string
	Reseller string // path of whose customer has it; "" is the provider
	Customer string // id of the organization, if one was named
	Owner    string // what the console user's role sees
	Server   string
	GoneAt   time.Time // zero: it is there
	Storage  Storage   // nothing for one that is gone
	Months   []Month   // newest first; of an overview of one month, that one
}

// Storage is what an account takes of the disk, in bytes of classes that do not overlap (rule C20).
type Storage struct {
	Home, WWW, Mail, Databases, Total uint64
	Limit                             reselling.Limit // MiB
	Over                              bool            // strictly more than the limit (C23)
	At                                time.Time       // when it was measured; zero: it was not, and the figures say nothing (U6)
}

// Month is the traffic of an account in one month, in bytes.
type Month struct {
	Month                 string // 2026-11
	WWW, FTP, Mail, Total uint64
	Traffic               Traffic         // the same by direction
	Limit                 reselling.Limit // MiB; that which was valid in the month
	Over                  bool            // strictly more than the limit (C23)
	At                    time.Time       // all before was counted; zero: not known (U6)
	Gap                   bool            // logs of the node were lost: there was perhaps more (U3)
}

// Was is a month of traffic.
func Was(month string, t *Traffic, limit reselling.Limit, at time.Time, gap bool) Month {
	m := Month{Month: month, WWW: t.WWW(), FTP: t.FTP(), Mail: t.Mail(), Traffic: *t, Limit: limit, At: at, Gap: gap}
	m.Total = m.WWW + m.FTP + m.Mail
	m.Over = Over(m.Total, limit)
	return m
}

// Takes is disk space that was measured.
func Takes(s *Space, limit reselling.Limit) Storage {
	f := Storage{Home: s.Home, WWW: s.WWW, Mail: s.Mail, Databases: s.Databases, Total: s.Total(), Limit: limit}
	if s.At != 0 {
		f.At = time.Unix(int64(s.At), 0).UTC()
		f.Over = Over(f.Total, limit)
	}
	return f
}

// Sum is the usage of several accounts: of a reseller's, a server's, the fleet's.
type Sum struct {
	Accounts                          int // added
	OverStorage, OverTraffic          int // of these
	Home, WWW, Mail, Databases, Total uint64
	Traffic                           Traffic
	OldestAt                          time.Time // of storage that was measured; zero: none was
	Unmeasured                        int       // accounts that are there and whose storage was never measured
}

// Add adds what an account takes now, and what it transferred in one month; where it had nothing in it, nothing.
func (s *Sum) Add(f *Figures, month string) {
	s.Accounts++
	s.space(f)
	for i := range f.Months {
		if m := &f.Months[i]; m.Month == month {
			s.Traffic.Add(&m.Traffic)
			if m.Over {
				s.OverTraffic++
			}
		}
	}
}

func (s *Sum) space(f *Figures) {
	t := &f.Storage
	if t.At.IsZero() {
		if f.GoneAt.IsZero() {
			s.Unmeasured++
		}
		return
	}
	s.Home, s.WWW, s.Mail, s.Databases = s.Home+t.Home, s.WWW+t.WWW, s.Mail+t.Mail, s.Databases+t.Databases
	s.Total += t.Total
	if t.Over {
		s.OverStorage++
	}
	if s.OldestAt.IsZero() || t.At.Before(s.OldestAt) {
		s.OldestAt = t.At
	}
}

// Below reports whether an account is of a reseller's subtree: his own or of somebody below him. path "" is everybody's.
func (f *Figures) Below(path string) bool {
	return path == "" || f.Reseller == path || len(f.Reseller) > len(path) && f.Reseller[:len(path)] == path && f.Reseller[len(path)] == '/'
}
