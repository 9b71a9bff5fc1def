package storage

import (
	"context"
	"log/slog"
	"time"

	"github.com/steelyard/steelyard/agent/hosting/part"
	"github.com/steelyard/steelyard/agent/hosting/quota"
	"github.com/steelyard/steelyard/protocol"
)

// The pace. See the package comment.
const (
	NearEvery  = 5 * time.Second
	LookEvery  = 2 * time.Minute
	RoundLeast = 15 * time.Minute
	RoundMost  = 24 * time.Hour
	share      = 2000 // a round takes one of these parts of a core
	easy       = 9    // how many times as long as it works a walk rests
	nearShare  = 50   // a walk of an account near its limit is not repeated before this many times what it cost
)

// NoLimit is Account.Limit of one without.
const NoLimit = ^uint64(0)

// Account is one to measure.
type Account struct {
	ID      string
	User    string
	Domains []string // whose mail is the account's
	Limit   uint64   // in bytes, of all classes together; NoLimit: none
}

// Options of a measurer.
type Options struct {
	Layout    part.Layout
	Databases string                                               // the database server's directory; "" the usual one
	Used      func(path string, uid int) (quota.Use, bool, error)  // what the kernel counts; nil: nothing
	Accounts  func() []Account                                     // those of the node now
	Stored    func(account string, s protocol.Stored, urgent bool) // is told each measured figure; urgent: the total passed the limit, in one direction or the other
	Deleted   func(bytes uint64)
	Now       func() time.Time // nil: the clock
	Logger    *slog.Logger
}

// Measurer measures. Run alone uses it.
type Measurer struct {
	opt      Options
	accounts map[string]*measured
	order    []string
	next     int           // in order: where the slow round is
	spent    time.Duration // in this round
	began    time.Time     // this round
	rounds   int           // that are over
	last     time.Duration // what the last one cost
	looked   time.Time
	dirs     map[string][]string // of databases, by user
	logged   string
}

// measured is one account and what is known of it.
type measured struct {
	Account
	uid     int
	stored  protocol.Stored
	used    quota.Use
	counted bool // used is known
	deleted uint64
	cost    time.Duration // of the last whole look at it
	at      time.Time     // of that look
	over    bool
}

// New makes a measurer.
func New(o Options) *Measurer {
	if o.Databases == "" {
		o.Databases = "/var/lib/mysql"
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Measurer{opt: o, accounts: map[string]*measured{}}
}

// Run measures until ctx ends.
func (m *Measurer) Run(ctx context.Context) {
	ticker := time.NewTicker(NearEvery)
	defer ticker.Stop()
	for {
		m.tick(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// tick does what is due.
func (m *Measurer) tick(ctx context.Context) {
	now := m.opt.Now()
	if look := now.Sub(m.looked) >= LookEvery; look {
		m.looked = now
		m.learn()
		m.round(ctx)
		m.look(ctx, func(*measured) bool { return true })
		m.sum()
		return
	}
	if m.anyNear() {
		m.limits()
		m.look(ctx, (*measured).near)
	}
}

// near tells whether an account is at 90 % of its limit or above.
func (a *measured) near() bool {
	return a.Limit != NoLimit && a.stored.At > 0 && total(&a.stored) >= a.Limit/10*9
}

func (m *Measurer) anyNear() bool {
	for _, a := range m.accounts {
		if a.near() {
			return true
		}
	}
	return false
}

func total(s *protocol.Stored) uint64 { return s.Home + s.WWW + s.Mail + s.Databases }

// learn takes over which accounts there are; those that are gone are told with nothing.
func (m *Measurer) learn() {
	there := map[string]bool{}
	for _, a := range m.opt.Accounts() {
		there[a.ID] = true
		if x := m.accounts[a.ID]; x != nil {
			x.Account = a
			continue
		}
		m.accounts[a.ID] = &measured{Account: a}
		m.order = append(m.order, a.ID)
	}
	kept := m.order[:0]
	for i, id := range m.order {
		if there[id] {
			kept = append(kept, id)
			continue
		}
		if i < m.next {
			m.next--
		}
		delete(m.accounts, id)
		m.opt.Stored(id, protocol.Stored{At: uint64(m.opt.Now().Unix())}, false)
	}
	m.order = kept
	dirs, err := m.databases()
	m.note(err)
	m.dirs = dirs
}

// limits takes over limits that changed: what is over one may not be over the next.
func (m *Measurer) limits() {
	for _, a := range m.opt.Accounts() {
		if x := m.accounts[a.ID]; x != nil && x.Limit != a.Limit {
			x.Account = a
			m.tell(x, x.stored)
		}
	}
}

// round goes on with the slow round: as far as it should be by now.
func (m *Measurer) round(ctx context.Context) {
	now := m.opt.Now()
	if m.next >= len(m.order) {
		if m.began.IsZero() || now.Sub(m.began) >= m.length() {
			m.next, m.began, m.spent = 0, now, 0
		}
	}
	goal := len(m.order)
	if m.rounds > 0 { // the first one is as fast as it is allowed to be: there are no figures yet
		goal = int(float64(len(m.order)) * float64(now.Sub(m.began)+LookEvery) / float64(m.length()))
	}
	for m.next < min(goal, len(m.order)) && ctx.Err() == nil {
		a := m.accounts[m.order[m.next]]
		m.next++
		if now.Sub(a.at) < RoundLeast/2 && !a.at.IsZero() {
			continue // it was looked at meanwhile
		}
		m.whole(ctx, a, easy)
		m.spent += a.cost
	}
	if m.next >= len(m.order) && m.spent > 0 {
		m.rounds, m.last, m.spent = m.rounds+1, m.spent, 0
	}
}

// length of a round.
func (m *Measurer) length() time.Duration { return min(max(share*m.last, RoundLeast), RoundMost) }

// look asks the kernel about accounts, and walks those that changed; those near their limit without its help too.
func (m *Measurer) look(ctx context.Context, which func(*measured) bool) {
	for _, id := range m.order {
		a := m.accounts[id]
		if a.stored.At == 0 || !which(a) || ctx.Err() != nil {
			continue
		}
		changed, counts := m.changed(a)
		near := a.near() && m.opt.Now().Sub(a.at) >= max(nearShare*a.cost, NearEvery)
		switch {
		case near && !counts, near && len(a.Domains)+len(m.dirs[a.User]) > 0:
			m.whole(ctx, a, 1)
		case changed && (a.near() || m.opt.Now().Sub(a.at) >= share/20*a.cost):
			m.whole(ctx, a, easy)
		}
	}
}

// changed tells whether the kernel's count is another one than before the last walk; counts is whether it counts.
func (m *Measurer) changed(a *measured) (changed, counts bool) {
	used, ok := m.used(a)
	return ok && (!a.counted || used != a.used), ok
}

func (m *Measurer) used(a *measured) (quota.Use, bool) {
	if m.opt.Used == nil {
		return quota.Use{}, false
	}
	if a.uid == 0 {
		a.uid = m.number(a.User)
	}
	if a.uid == 0 {
		return quota.Use{}, false
	}
	used, ok, err := m.opt.Used(m.opt.Layout.Home(a.User), a.uid)
	m.note(err)
	return used, ok && err == nil
}

// whole measures an account.
func (m *Measurer) whole(ctx context.Context, a *measured, rest int) {
	a.uid = 0 // the account may have been made anew
	before, counts := m.used(a)
	home, www, cost, err := m.home(ctx, &a.Account, rest)
	mail, more, err2 := m.mail(ctx, &a.Account, rest)
	databases, most, err3 := m.database(ctx, m.dirs[a.User], rest)
	a.cost = cost + more + most
	if ctx.Err() != nil {
		return
	}
	a.at = m.opt.Now()
	for _, err := range []error{err, err2, err3} {
		if m.note(err); err != nil {
			return // what is known stays, with its time
		}
	}
	a.used, a.counted = before, counts
	if after, ok := m.used(a); ok && counts && after == before {
		a.deleted = 0
		if used := home + www; after.Bytes > used {
			a.deleted = after.Bytes - used
		}
	}
	m.tell(a, protocol.Stored{Home: home, WWW: www, Mail: mail, Databases: databases, At: uint64(a.at.Unix())})
}

// tell tells a figure.
func (m *Measurer) tell(a *measured, s protocol.Stored) {
	a.stored = s
	over := a.Limit != NoLimit && total(&s) > a.Limit
	urgent := over != a.over
	a.over = over
	if s.At > 0 {
		m.opt.Stored(a.ID, s, urgent)
	}
}

// sum tells what is deleted and held open.
func (m *Measurer) sum() {
	var all uint64
	for _, a := range m.accounts {
		all += a.deleted
	}
	m.opt.Deleted(all)
}

// note logs what cannot be measured, once.
func (m *Measurer) note(err error) {
	if err == nil || err.Error() == m.logged {
		return
	}
	m.logged = err.Error()
	m.opt.Logger.Warn("what accounts take of the disk is not all measured", "error", err)
}
