package wire

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/steelyard/steelyard/agent/hosting"
	"github.com/steelyard/steelyard/agent/hosting/fake"
	"github.com/steelyard/steelyard/agent/hosting/part"
	"github.com/steelyard/steelyard/agent/link"
	"github.com/steelyard/steelyard/controller/gateway/gatewaytest"
	"github.com/steelyard/steelyard/protocol"
)

// node is an agent that carries accounts in memory.
type node struct {
	*agent
	host  *hosting.Node
	parts []part.Part
}

func (c *controller) hosting(h *gatewaytest.Hosting) {
	c.options.Hosting = h
	h.Changed = func(server string) {
		if g := c.gate.Load(); g != nil {
			g.Wake(server)
		}
	}
}

func (c *controller) node(n int, dir string, parts []part.Part) *node {
	host, err := hosting.New(hosting.Options{Dir: dir, Parts: parts, Layout: part.Standard})
	if err != nil {
		c.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); host.Run(ctx) }()
	c.t.Cleanup(func() { cancel(); <-done })
	a := &node{host: host, parts: parts}
	a.agent = c.agent(n, a.carries)
	return a
}

func (n *node) carries(o *link.Options) {
	o.Host, o.Capabilities = n.host, append(slices.Clone(o.Capabilities), protocol.CanHost)
}

func hosted(i int) protocol.HostedAccount {
	return protocol.HostedAccount{ID: fmt.Sprintf("acc-%05d", i), State: protocol.HostedPresent, User: fmt.Sprintf("u%05d", i), Domain: fmt.Sprintf("d%05d.example", i), Shell: protocol.ShellFalse}
}

func TestC12_DocumentsReachTheNodeAndResultsComeBack(t *testing.T) {
	c, h := newController(t), gatewaytest.NewHosting()
	c.hosting(h)
	c.start()
	n := c.node(1, t.TempDir(), fake.Parts())
	c.connected(n.agent)
	eventually(t, "what the node provides", func() bool { p, _ := h.Told(n.id()); return p.Switches["mail"] && len(p.Shells) == 3 })
	h.Put(n.id(), hosted(1), hosted(2))
	eventually(t, "both accounts", func() bool { return h.Done(n.id()) == 2 })
	if r := h.Result("acc-00001"); len(r.Steps) != 6 || r.Steps[5].Part != "mysql" || r.Steps[5].State != protocol.HostedDone {
		t.Errorf("%+v", r)
	}
	gone := hosted(1)
	gone.State = protocol.HostedGone
	h.Put(n.id(), gone)
	eventually(t, "the removal", func() bool { return h.Done(n.id()) == 2 && len(n.parts[0].(*fake.Part).All()) == 1 })
	eventually(t, "the node to forget it", func() bool { return len(n.host.Have()) == 1 })
}

// TestARepeatedSessionSendsNoDocumentThatIsKnown: versions first, and then only what differs.
func TestARepeatedSessionSendsNoDocumentThatIsKnown(t *testing.T) {
	c, h := newController(t), gatewaytest.NewHosting()
	c.hosting(h)
	c.start()
	n := c.node(1, t.TempDir(), fake.Parts())
	c.connected(n.agent)
	const count = 300
	for i := range count {
		h.Put(n.id(), hosted(i))
	}
	eventually(t, "all accounts", func() bool { return h.Done(n.id()) == count })
	sent, reports := h.Sent(), h.Reports()
	c.stop()
	h.Put(n.id(), hosted(7)) // while nobody listens
	h.Remove(n.id(), "acc-00008")
	c.start()
	c.connected(n.agent)
	eventually(t, "the one that changed", func() bool { return h.Done(n.id()) == count-1 })
	eventually(t, "the stranger", func() bool { _, s := h.Told(n.id()); return slices.Equal(s, []string{"acc-00008"}) })
	if more := h.Sent() - sent; more != 1 {
		t.Errorf("%d documents were sent, of which one had changed", more)
	}
	if more := h.Reports() - reports; more > 12 { // what it provides, strangers, and the steps of one account
		t.Errorf("%d reports about one account", more)
	}
	if _, ok := n.parts[0].(*fake.Part).Has("acc-00008"); !ok {
		t.Error("what nobody named was removed")
	}
}

// TestManyAccountsAreNoFlood: a node that gets thousands of accounts at once stays within what an agent may send.
func TestManyAccountsAreNoFlood(t *testing.T) {
	c, h := newController(t), gatewaytest.NewHosting()
	c.hosting(h)
	c.start()
	n := c.node(1, t.TempDir(), fake.Parts())
	c.connected(n.agent)
	var list []protocol.HostedAccount
	for i := range 1500 {
		list = append(list, hosted(i))
	}
	h.Put(n.id(), list...)
	eventually(t, "all accounts", func() bool { return h.Done(n.id()) == len(list) })
	if s := c.gate.Load().Stats(); s.Handshakes > 2 { // one to enrol, one session
		t.Errorf("%d connections: a session ended on the way", s.Handshakes)
	}
}

func TestAnAgentThatCarriesNoAccountsTellsOfNone(t *testing.T) {
	c, h := newController(t), gatewaytest.NewHosting()
	c.hosting(h)
	c.start()
	host, err := hosting.New(hosting.Options{Dir: t.TempDir(), Parts: fake.Parts(), Layout: part.Standard})
	if err != nil {
		t.Fatal(err)
	}
	a := c.agent(1, func(o *link.Options) { o.Host = host }) // without protocol.CanHost
	eventually(t, "the end of its session", func() bool { return strings.Contains(a.Status().LastError, "did not say that it carries accounts") })
	h.Put(a.id(), hosted(1))
	if h.Sent() != 0 || h.Reports() != 0 {
		t.Errorf("%d documents went out, %d reports came in", h.Sent(), h.Reports())
	}
}
