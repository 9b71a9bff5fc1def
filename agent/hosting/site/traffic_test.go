package site

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/steelyard/steelyard/agent/hosting/hostingtest"
	"github.com/steelyard/steelyard/agent/meter"
	"github.com/steelyard/steelyard/agent/meter/book"
)

// wire is a connection that counts what goes through it, as the client sees it.
type wire struct {
	net.Conn
	in, out *atomic.Uint64 // of the server: in is what the client wrote
}

func (w *wire) Read(b []byte) (int, error) {
	n, err := w.Conn.Read(b)
	w.out.Add(uint64(n))
	return n, err
}

func (w *wire) Write(b []byte) (int, error) {
	n, err := w.Conn.Write(b)
	w.in.Add(uint64(n))
	return n, err
}

// visitor is a client of one address whose bytes are counted.
type visitor struct {
	t       *testing.T
	address string
	in, out atomic.Uint64
	http.Client
}

func newVisitor(t *testing.T, address string, protocols *http.Protocols) *visitor {
	v := &visitor{t: t, address: address}
	v.Transport = &http.Transport{DisableCompression: true, Protocols: protocols, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return v.dial(ctx) }}
	v.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	t.Cleanup(v.CloseIdleConnections)
	return v
}

func (v *visitor) dial(ctx context.Context) (net.Conn, error) {
	c, err := (&net.Dialer{Timeout: hostingtest.Patience}).DialContext(ctx, "tcp", v.address)
	if err != nil {
		return nil, err
	}
	return &wire{c, &v.in, &v.out}, nil
}

// ask asks for something and reads all of the answer.
func (v *visitor) ask(method, url string, body io.Reader) {
	v.t.Helper()
	req, err := http.NewRequestWithContext(v.t.Context(), method, url, body)
	if err != nil {
		v.t.Fatal(err)
	}
	res, err := v.Do(req)
	if err != nil {
		v.t.Fatal(err)
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		v.t.Fatal(err)
	}
}

// counted is the traffic of alice's by a meter that reads the log from its beginning.
func (n *node) counted() (sum book.Traffic, lines int) {
	n.t.Helper()
	lines = strings.Count(n.read("logs/traffic.log"), "\n") // before they are counted: more may come
	b, err := book.Open(filepath.Join(n.t.TempDir(), "book"), time.Now)
	if err != nil {
		n.t.Fatal(err)
	}
	defer b.Close()
	m := meter.New(meter.Options{Book: b, WWW: n.o.traffic(), FTP: filepath.Join(n.dir, "none"), Now: time.Now})
	if err := m.Look(context.Background(), map[string]string{"alice": "id-alice"}); err != nil {
		n.t.Fatal(err)
	}
	counts, err := b.Quarters("id-alice", 0, 1<<31)
	if err != nil {
		n.t.Fatal(err)
	}
	for _, c := range counts {
		if c.Class != book.WWW {
			n.t.Errorf("%+v is counted", c)
		}
		sum.In, sum.Out = sum.In+c.Traffic.In, sum.Out+c.Traffic.Out
	}
	return sum, lines
}

// requests waits until so many are in the log, and returns what is counted.
func (n *node) requests(want int) (sum book.Traffic) {
	n.t.Helper()
	hostingtest.Until(n.t, fmt.Sprint(want, " lines of traffic"), func() (err error) {
		lines := 0
		if sum, lines = n.counted(); lines != want {
			err = fmt.Errorf("%d lines", lines)
		}
		return err
	})
	return sum
}

// TestU1_U8_U9_WhatNginxServesIsCountedToTheByte: what the meter counts is what went over the visitors' sockets, headers and refusals among it, by IPv4 and IPv6.
// Only a body that nothing takes is not: nginx throws it away without counting it.
func TestU1_U8_U9_WhatNginxServesIsCountedToTheByte(t *testing.T) {
	n := newNode(t, true)
	a := n.account("alice", 61001, "example.de", "shop.example.de")
	a.PHP = true
	bob := n.account("bob", 61002, "example.org")
	n.settle(a, bob)
	n.put(a, "htdocs/page.txt", strings.Repeat("page ", 2000))
	n.put(a, "htdocs/large.bin", strings.Repeat("0123456789abcdef", 1<<16))
	n.put(bob, "htdocs/page.txt", "bob's")
	n.put(a, "htdocs/form.php", "<?php echo strlen(file_get_contents('php://input'));")
	var in, out uint64
	asked := 0
	for _, address := range n.o.Listen {
		v := newVisitor(t, address, nil)
		for i := range 20 { // several requests of one connection
			v.ask("GET", fmt.Sprintf("http://example.de/page.txt?%d", i), nil)
		}
		v.ask("GET", "http://www.example.de/large.bin", nil)
		v.ask("HEAD", "http://example.de/large.bin", nil)
		v.ask("GET", "http://shop.example.de/missing", nil)
		v.ask("POST", "http://example.de/form.php", strings.NewReader(strings.Repeat("form ", 50000)))
		asked += 24
		in, out = in+v.in.Load(), out+v.out.Load()
		newVisitor(t, address, nil).ask("GET", "http://example.org/page.txt", nil) // somebody else's
		newVisitor(t, address, nil).ask("GET", "http://nobody.example/", nil)      // nobody's
		asked++
	}
	sum := n.requests(asked)
	if sum.In != in || sum.Out != out {
		t.Errorf("%+v are counted; visitors sent %d and got %d", sum, in, out)
	}
	const body = 5000
	v := newVisitor(t, n.o.Listen[0], nil)
	v.ask("POST", "http://example.de/page.txt", strings.NewReader(strings.Repeat("x", body)))
	if now := n.requests(asked + 1); now.In-sum.In != v.in.Load()-body || now.Out-sum.Out != v.out.Load() {
		t.Errorf("a body for a file: %+v are counted after %+v; the visitor sent %d and got %d", now, sum, v.in.Load(), v.out.Load())
	}
}

// TestU2_ADownloadThatIsBrokenOffIsCountedByWhatWasSent, not by what was asked for, and once.
func TestU2_ADownloadThatIsBrokenOffIsCountedByWhatWasSent(t *testing.T) {
	const size, buffered = 256 << 20, 16 << 20 // more than sockets hold on both sides
	n := newNode(t, false)
	a := n.account("alice", 61001, "example.de")
	n.settle(a)
	path := n.put(a, "htdocs/huge.bin", "")
	n.grow(path, size)
	v := newVisitor(t, n.o.Listen[0], nil)
	c, err := v.dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, "GET /huge.bin HTTP/1.1\r\nHost: example.de\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(io.Discard, c, 3<<20); err != nil {
		t.Fatal(err)
	}
	c.Close()
	if sum := n.requests(1); sum.In != v.in.Load() || sum.Out < v.out.Load() || sum.Out > v.out.Load()+buffered {
		t.Errorf("%+v are counted; the visitor sent %d and got %d", sum, v.in.Load(), v.out.Load())
	}
}

// TestU2_TheFormatCountsStreamsAndUpgrades: accounts are served over HTTP/1.1; where an operator puts HTTP/2 or WebSockets before them with the same log, lines stay one for each request,
// with its own bytes; of what a visitor sends over a WebSocket nginx counts the request alone.
func TestU2_TheFormatCountsStreamsAndUpgrades(t *testing.T) {
	n := newNode(t, false)
	a := n.account("alice", 61001, "example.de")
	n.settle(a)
	n.put(a, "htdocs/page.txt", strings.Repeat("page ", 2000))
	front, chat := loopback+":"+hostingtest.Port(t, loopback), loopback+":"+hostingtest.Port(t, loopback)
	n.write("conf.d/zz.conf", fmt.Sprintf(`server {
	listen %s http2;
	listen %s;
	server_name example.de;
	access_log %s steelyard_traffic;
	root %s;
	location /chat { proxy_pass http://%s; proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; }
}
`, front, chat, n.o.traffic(), n.o.Layout.Htdocs("alice"), echo(t)))
	n.nx.Stop()
	n.startNginx()

	two := new(http.Protocols)
	two.SetUnencryptedHTTP2(true)
	v := newVisitor(t, front, two)
	for i := range 10 {
		v.ask("GET", fmt.Sprintf("http://example.de/page.txt?%d", i), nil)
	}
	sum := n.requests(10)
	if in, out := v.in.Load(), v.out.Load(); sum.In == 0 || sum.In > in || sum.Out < 10*10000 || sum.Out > out || out-sum.Out > 1000 {
		t.Errorf("HTTP/2: %+v are counted; the visitor sent %d and got %d, with what belongs to no stream", sum, in, out)
	}

	w := newVisitor(t, chat, nil)
	c, err := w.dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const asks = "GET /chat HTTP/1.1\r\nHost: example.de\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
	if _, err := io.WriteString(c, asks); err != nil {
		t.Fatal(err)
	}
	answer := bufio.NewReader(c)
	if res, err := http.ReadResponse(answer, nil); err != nil || res.StatusCode != http.StatusSwitchingProtocols {
		t.Fatal(res, err)
	}
	said := strings.Repeat("hello ", 10000)
	for range 5 {
		if _, err := io.WriteString(c, said); err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(io.Discard, answer, int64(len(said))); err != nil {
			t.Fatal(err)
		}
	}
	c.Close()
	all := n.requests(11)
	if in, out := all.In-sum.In, all.Out-sum.Out; in != uint64(len(asks)) || out != w.out.Load() {
		t.Errorf("WebSocket: %d and %d are counted; the request had %d, and the visitor got %d", in, out, len(asks), w.out.Load())
	}
}

// echo is a server that upgrades a connection and sends back what it gets.
func echo(t *testing.T) (address string) {
	l, err := net.Listen("tcp", loopback+":0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				r := bufio.NewReader(c)
				if _, err := http.ReadRequest(r); err != nil {
					return
				}
				_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
				_, _ = io.Copy(c, r)
			}()
		}
	}()
	return l.Addr().String()
}

// grow makes a file long without writing to it.
func (n *node) grow(path string, size int64) {
	n.t.Helper()
	if err := os.Truncate(path, size); err != nil {
		n.t.Fatal(err)
	}
}
