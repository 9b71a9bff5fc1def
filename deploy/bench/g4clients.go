package main

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/steelyard/steelyard/protocol"
	"github.com/steelyard/steelyard/protocol/session"
)

// usageOf is what an account of a server had when it told so for the nth time: the last month and the running one, in and out of three classes.
func usageOf(server, i, nth int) (u [2][3]protocol.Traffic) {
	for c := range u[0] {
		base := uint64(server*1009+i*31+c) * 7919
		u[0][c] = protocol.Traffic{In: 50e6 + base, Out: 3e9 + base*3}
		u[1][c] = protocol.Traffic{In: 20e6 + base + uint64(nth)*1000, Out: 1e9 + base*2 + uint64(nth)*20_000}
	}
	return u
}

// usageNames are the accounts of a server.
func usageNames(server int) []string {
	names := make([]string, usageReported)
	for i := range names {
		names[i] = usageAccount(server, i)
	}
	return names
}

// usageReport writes a report's accounts as agents do; from 1 only the running month.
func usageReport(b []byte, names []string, server, nth, from int) []byte {
	var u protocol.AccountUsage
	for i, name := range names {
		told := usageOf(server, i, nth)
		for m, t := range told[from:] {
			u.Months[m] = t
		}
		b = protocol.AppendUsage(b, name, &u)
	}
	return b
}

// reporter is a connection that tells usage.
type reporter interface {
	report(nth int) error
	done() error // all were taken in
	close()
}

// reporters are all of them.
type reporters struct {
	crowd *crowd
	kind  string
	conns []reporter
	nth   []int // reports that each made
}

// reportUsage is the child that has the clients: arguments are the members' directory and the kind of server.
func reportUsage(args []string) (any, func([]string) (any, error), error) {
	auth, members, err := enlisted(args[0])
	if err != nil {
		return nil, nil, err
	}
	r := &reporters{crowd: &crowd{roots: auth.Certificate(), members: members}, kind: args[1], conns: make([]reporter, len(members)), nth: make([]int, len(members))}
	return nil, r.ask, nil
}

func (r *reporters) ask(words []string) (any, error) {
	switch words[0] {
	case "to":
		r.crowd.address = words[1]
		return nil, nil
	case "dial": // anew
		return nil, r.each(func(n int) (err error) {
			if r.conns[n] != nil {
				r.conns[n].close()
			}
			if r.conns[n], err = r.dial(n); err != nil {
				return err
			}
			return r.send(n, 1) // the first of a session costs more, and sessions last for weeks
		})
	case "send":
		return nil, r.each(func(n int) error { return r.send(n, number(words, 1)) })
	case "sum":
		return r.sum(), nil
	}
	return figures(words)
}

func (r *reporters) send(n, reports int) error {
	for range reports {
		r.nth[n]++
		if err := r.conns[n].report(r.nth[n]); err != nil {
			return err
		}
	}
	return r.conns[n].done()
}

func (r *reporters) each(f func(n int) error) error {
	var g errgroup.Group
	for n := range r.conns {
		g.Go(func() error { return f(n) })
	}
	return g.Wait()
}

// sum is what was told last, of both months.
func (r *reporters) sum() (sum [2]uint64) {
	for n := range r.conns {
		for i := range usageReported {
			for m, month := range usageOf(n, i, r.nth[n]) {
				for _, t := range month {
					sum[m] += t.In + t.Out
				}
			}
		}
	}
	return sum
}

func (r *reporters) dial(n int) (reporter, error) {
	switch r.kind {
	case "steelyard":
		return r.crowd.agentReporter(n)
	case "tls":
		conn, err := r.crowd.secure(r.crowd.members[n], n)
		return &bareReporter{conn: conn, server: n}, err
	}
	return r.crowd.jsonReporter(n)
}

// agentReporter is a session of our own.
type agentReporter struct {
	conn   *session.Conn
	server int
	names  []string
	zone   uint64
	pings  uint64
	months []string
	told   chan protocol.UsageMonths
	pong   chan error
	b      []byte
}

func (c *crowd) agentReporter(n int) (reporter, error) {
	cert, err := c.members[n].certificate()
	if err != nil {
		return nil, err
	}
	raw, err := c.connect(n)
	if err != nil {
		return nil, err
	}
	conn := tls.Client(raw, session.ControlTLS(protocol.ALPNControl, cert, c.roots, nil))
	if err := conn.Handshake(); err != nil {
		return nil, err
	}
	s, err := session.Client(conn, nil)
	if err != nil {
		return nil, err
	}
	inv := inventory(n)
	hello := protocol.Hello{
		VersionMin: protocol.VersionMin, VersionMax: protocol.VersionMax, AgentVersion: "bench", Environment: protocol.EnvSimulated,
		BootID: fmt.Sprint("boot-", n), InstanceID: instance, InventoryDigest: inv.Digest(), Identity: inv.Identity, Capabilities: []string{protocol.CanMeter},
	}
	if err := s.Send(protocol.KindHello, &hello); err != nil {
		return nil, err
	}
	var w protocol.Welcome
	if err := s.Expect(protocol.KindWelcome, &w); err != nil {
		return nil, err
	}
	a := &agentReporter{conn: s, server: n, names: usageNames(n), told: make(chan protocol.UsageMonths, 8), pong: make(chan error, 1)}
	go a.hear()
	select {
	case u := <-a.told:
		a.zone, a.months = u.Zone, monthNames(u)
		return a, nil
	case err := <-a.pong:
		return nil, err
	case <-time.After(20 * time.Second):
		return nil, errors.New("the controller names no months")
	}
}

// hear takes what the controller says until the session ends.
func (a *agentReporter) hear() {
	for {
		m, err := a.conn.Receive()
		if err != nil {
			a.pong <- err
			return
		}
		switch m.Kind {
		case protocol.KindUsageMonths:
			var u protocol.UsageMonths
			if err := m.Decode(&u); err != nil {
				a.pong <- err
				return
			}
			a.told <- u
		case protocol.KindPong:
			a.pong <- nil
		case protocol.KindGoodbye:
			var g protocol.Goodbye
			err := m.Decode(&g)
			if err == nil {
				err = session.LeftBy(g)
			}
			a.pong <- err
			return
		}
	}
}

func (a *agentReporter) report(nth int) error {
	a.b = usageReport(a.b[:0], a.names, a.server, nth, 0)
	return a.conn.Send(protocol.KindUsageReport, &protocol.UsageReport{
		Seq: uint64(nth), Book: fmt.Sprint("book-", a.server), Zone: a.zone, Months: a.months, Accounts: a.b, Counted: time.Now().Unix(),
	})
}

func (a *agentReporter) done() error {
	a.pings++
	if err := a.conn.Send(protocol.KindPing, &protocol.Ping{Seq: a.pings}); err != nil {
		return err
	}
	return <-a.pong
}

func (a *agentReporter) close() { _ = a.conn.Close() }

// bareReporter writes numbers and nothing else: length, then for each account its number and twelve figures as varints.
type bareReporter struct {
	conn   *tls.Conn
	server int
	b      []byte
}

func (t *bareReporter) report(nth int) error {
	b := append(t.b[:0], 0, 0, 0, 0)
	for i := range usageReported {
		b = binary.AppendUvarint(b, uint64(t.server*usageReported+i))
		for _, month := range usageOf(t.server, i, nth) {
			for _, c := range month {
				b = binary.AppendUvarint(binary.AppendUvarint(b, c.In), c.Out)
			}
		}
	}
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	t.b = b
	_, err := t.conn.Write(b)
	return err
}

// done sends an empty report, which is answered.
func (t *bareReporter) done() error {
	if _, err := t.conn.Write(make([]byte, 4)); err != nil {
		return err
	}
	_, err := io.ReadFull(t.conn, make([]byte, 1))
	return err
}

func (t *bareReporter) close() { _ = t.conn.Close() }

// jsonAccount is an account as an endpoint for JSON would have it.
type jsonAccount struct {
	Account string               `json:"account"`
	Months  map[string]jsonMonth `json:"months"`
}

type jsonMonth struct {
	WWW  jsonTraffic `json:"www"`
	FTP  jsonTraffic `json:"ftp"`
	Mail jsonTraffic `json:"mail"`
}

type jsonTraffic struct {
	In  uint64 `json:"in"`
	Out uint64 `json:"out"`
}

// jsonReporter posts, on a connection that stays open.
type jsonReporter struct {
	client *http.Client
	url    string
	server int
	names  []string
}

func (c *crowd) jsonReporter(n int) (reporter, error) {
	config, err := c.config(c.members[n])
	if err != nil {
		return nil, err
	}
	return &jsonReporter{client: &http.Client{Transport: &http.Transport{TLSClientConfig: config, MaxIdleConnsPerHost: 1}}, url: "https://" + c.address + "/usage", server: n, names: usageNames(n)}, nil
}

func (j *jsonReporter) report(nth int) error {
	list := make([]jsonAccount, usageReported)
	for i := range list {
		u := usageOf(j.server, i, nth)
		list[i] = jsonAccount{Account: j.names[i], Months: map[string]jsonMonth{"2026-10": jsonOf(u[0]), "2026-11": jsonOf(u[1])}}
	}
	text, err := json.Marshal(list)
	if err != nil {
		return err
	}
	answer, err := j.client.Post(j.url, "application/json", bytes.NewReader(text))
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusNoContent {
		return fmt.Errorf("the server says %s", answer.Status)
	}
	_, err = io.Copy(io.Discard, answer.Body)
	return err
}

func jsonOf(t [3]protocol.Traffic) jsonMonth {
	return jsonMonth{WWW: jsonTraffic(t[0]), FTP: jsonTraffic(t[1]), Mail: jsonTraffic(t[2])}
}

func (j *jsonReporter) done() error { return nil } // each was answered

func (j *jsonReporter) close() { j.client.CloseIdleConnections() }
