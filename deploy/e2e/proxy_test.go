package e2e

import (
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
)

// proxy is a wire to an etcd member that can be cut and mended.
type proxy struct {
	listener net.Listener
	target   string
	mu       sync.Mutex
	cut      bool
	open     map[net.Conn]bool
}

// proxied puts a wire before each address and gives the addresses to use instead.
func proxied(t *testing.T, endpoints []string) (wires []*proxy, addresses []string) {
	t.Helper()
	for _, e := range endpoints {
		u, err := url.Parse(e)
		if err != nil {
			t.Fatal(err)
		}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		p := &proxy{listener: l, target: u.Host, open: map[net.Conn]bool{}}
		var serving sync.WaitGroup
		serving.Go(func() { p.serve(&serving) })
		t.Cleanup(func() { l.Close(); p.set(true); serving.Wait() })
		wires = append(wires, p)
		addresses = append(addresses, u.Scheme+"://"+l.Addr().String())
	}
	return wires, addresses
}

func (p *proxy) serve(serving *sync.WaitGroup) {
	for {
		c, err := p.listener.Accept()
		if err != nil {
			return
		}
		serving.Go(func() { p.carry(c) })
	}
}

func (p *proxy) carry(near net.Conn) {
	far, err := net.Dial("tcp", p.target)
	if err != nil || !p.add(near, far) {
		near.Close()
		if far != nil {
			far.Close()
		}
		return
	}
	var copying sync.WaitGroup
	for _, pair := range [][2]net.Conn{{near, far}, {far, near}} {
		copying.Go(func() {
			_, _ = io.Copy(pair[0], pair[1])
			near.Close()
			far.Close()
		})
	}
	copying.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, near)
	delete(p.open, far)
}

func (p *proxy) add(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		p.open[c] = true
	}
	return !p.cut
}

// set cuts the wire, or mends it.
func (p *proxy) set(cut bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cut = cut; cut {
		for c := range p.open {
			c.Close()
		}
	}
}
