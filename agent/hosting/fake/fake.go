// Package fake has parts of a hosting node that live in memory: for simulated servers, and beside the real ones in tests. They promise what package part
// asks for, so that the same suite runs on both.
package fake

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"sync"

	"github.com/steelyard/steelyard/agent/hosting/part"
	"github.com/steelyard/steelyard/protocol"
)

// Part remembers accounts. Its fields may be set before use; its methods are safe for concurrent use.
type Part struct {
	Called   string                                   // its name
	Gives    part.Provision                           // what it provides
	Before   func(deed string, a *part.Account) error // called first in Ensure ("ensure") and Remove ("remove"); its error is the part's
	Settling func(changed []string) error             // called in Settle with the ids that changed since the last one that succeeded
	Leaves   func(a *part.Account) []protocol.Found   // what Remove leaves

	mu      sync.Mutex
	has     map[string]string // document by account id
	changed map[string]bool
	reloads int
}

// Parts are those of a whole node, in their order.
func Parts() []part.Part {
	on := func(names ...string) part.Provision {
		p := part.Provision{Switches: map[string]bool{}}
		for _, name := range names {
			p.Switches[name] = true
		}
		return p
	}
	user := on("ssh")
	user.Shells = slices.Clone(protocol.Shells)
	return []part.Part{
		&Part{Called: "user", Gives: user}, &Part{Called: "quota", Gives: on("disk_quota")}, &Part{Called: "site", Gives: on("web", "php")},
		&Part{Called: "ftp", Gives: on("ftp")}, &Part{Called: "mail", Gives: on("mail", "imap", "mailing_lists")}, &Part{Called: "mysql", Gives: on("databases")},
	}
}

// Name implements part.Part.
func (p *Part) Name() string { return p.Called }

// Provide implements part.Part.
func (p *Part) Provide(context.Context) part.Provision {
	p.mu.Lock()
	defer p.mu.Unlock()
	v := p.Gives
	v.Components = append(slices.Clone(v.Components), protocol.Component{Part: p.Called, Name: "in memory"})
	return v
}

// Give changes what the part provides.
func (p *Part) Give(v part.Provision) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.Gives = v
}

// Ensure implements part.Part.
func (p *Part) Ensure(_ context.Context, a *part.Account) error {
	if p.Before != nil {
		if err := p.Before("ensure", a); err != nil {
			return err
		}
	}
	text, err := json.Marshal(a.HostedAccount)
	if err != nil {
		return err
	}
	p.put(a.ID, string(text))
	return nil
}

func (p *Part) put(id, text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.has == nil {
		p.has, p.changed = map[string]string{}, map[string]bool{}
	}
	if p.has[id] != text {
		p.has[id], p.changed[id] = text, true
	}
	if text == "" {
		delete(p.has, id)
	}
}

// Remove implements part.Part.
func (p *Part) Remove(_ context.Context, a *part.Account) ([]protocol.Found, error) {
	if p.Before != nil {
		if err := p.Before("remove", a); err != nil {
			return nil, err
		}
	}
	p.put(a.ID, "")
	if p.Leaves != nil {
		return p.Leaves(a), nil
	}
	return nil, nil
}

// Settle implements part.Part.
func (p *Part) Settle(context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.changed) == 0 {
		return nil
	}
	if p.Settling != nil {
		if err := p.Settling(slices.Sorted(maps.Keys(p.changed))); err != nil {
			return err
		}
	}
	p.reloads++
	clear(p.changed)
	return nil
}

// Has is the document that the part made true, and whether there is one.
func (p *Part) Has(id string) (a protocol.HostedAccount, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	text, ok := p.has[id]
	return a, ok && json.Unmarshal([]byte(text), &a) == nil
}

// All are the ids of its accounts.
func (p *Part) All() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Sorted(maps.Keys(p.has))
}

// Reloads is how often the daemon was reloaded.
func (p *Part) Reloads() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.reloads
}
