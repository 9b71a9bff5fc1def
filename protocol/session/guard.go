package session

import (
	"encoding/binary"
	"net"
	"sync"
	"sync/atomic"
)

// Traffic counts the bytes of many connections. It is safe for concurrent use.
type Traffic struct{ In, Out atomic.Uint64 }

// yamux framing (version 0): version, type, flags (2), stream id (4), length (4).
const (
	muxHeader = 12
	muxData   = 0
	muxWindow = 1
	muxPing   = 2
	muxGoAway = 3
	flagSYN   = 1
	maxWindow = 256 << 10

	firstStream = 1 // the id that a dialling side gives its first stream
	maxRecord   = 4 << 10
)

// guard sits between yamux and the connection. It ends the connection on
// multiplexer traffic that this protocol does not use, sends a header and its data as
// one record, and cuts long data into records of 4 KiB.
type guard struct {
	net.Conn
	traffic *Traffic
	bad     atomic.Pointer[BadFrame]

	// Used by yamux's receiving goroutine alone.
	head   [muxHeader]byte
	have   int
	skip   uint32
	opens  int // streams that the peer may still open
	stream uint32

	// Used by yamux's sending goroutine alone.
	out  [muxHeader]byte
	held bool
}

// Read passes bytes on once they were found harmless.
func (g *guard) Read(p []byte) (int, error) {
	n, err := g.Conn.Read(p)
	g.traffic.In.Add(uint64(n))
	if bad := g.look(p[:n]); bad != nil {
		g.bad.Store(bad)
		return 0, bad
	}
	return n, err
}

// look follows the headers in what arrived.
func (g *guard) look(p []byte) *BadFrame {
	for len(p) > 0 {
		if g.skip > 0 {
			n := min(g.skip, uint32(len(p)))
			g.skip -= n
			p = p[n:]
			continue
		}
		n := copy(g.head[g.have:], p)
		g.have += n
		p = p[n:]
		if g.have < muxHeader {
			return nil
		}
		g.have = 0
		if bad := g.header(); bad != nil {
			return bad
		}
	}
	return nil
}

func (g *guard) header() *BadFrame {
	h := g.head[:]
	flags, id, length := binary.BigEndian.Uint16(h[2:]), binary.BigEndian.Uint32(h[4:]), binary.BigEndian.Uint32(h[8:])
	switch {
	case h[0] != 0:
		return Bad(ReasonMux, "multiplexer version %d is not spoken here", h[0])
	case h[1] == muxGoAway:
		return nil
	case h[1] != muxData && h[1] != muxWindow:
		return Bad(ReasonMux, "multiplexer frames of type %d are not used in this protocol", h[1])
	}
	if flags&flagSYN != 0 {
		if g.opens == 0 {
			return Bad(ReasonMux, "this session has one stream; another one was opened")
		}
		g.opens--
		g.stream = id
	}
	if g.stream != 0 && id != g.stream {
		return Bad(ReasonMux, "multiplexer frame for stream %d; the session's stream is %d", id, g.stream)
	}
	if h[1] == muxData {
		if length > maxWindow {
			return Bad(ReasonMux, "multiplexer frame of %d bytes; the window is %d", length, maxWindow)
		}
		g.skip = length
	}
	return nil
}

var records = sync.Pool{New: func() any {
	b := make([]byte, 0, maxRecord)
	return &b
}}

// Write holds a data header back until its data comes: yamux writes the two one
// after the other from one goroutine.
func (g *guard) Write(p []byte) (int, error) {
	if !g.held && len(p) == muxHeader && p[0] == 0 && p[1] == muxData && binary.BigEndian.Uint32(p[8:]) > 0 {
		copy(g.out[:], p)
		g.held = true
		return len(p), nil
	}
	if !g.held {
		n, err := g.Conn.Write(p)
		g.traffic.Out.Add(uint64(n))
		return n, err
	}
	g.held = false
	return g.records(p)
}

// records writes the held header and p, at most maxRecord bytes at a time.
func (g *guard) records(p []byte) (int, error) {
	buf := records.Get().(*[]byte)
	defer records.Put(buf)
	rec := append((*buf)[:0], g.out[:]...)
	for done := 0; ; rec = rec[:0] {
		n := min(maxRecord-len(rec), len(p)-done)
		rec = append(rec, p[done:done+n]...)
		sent, err := g.Conn.Write(rec)
		g.traffic.Out.Add(uint64(sent))
		if err != nil {
			return done, err
		}
		if done += n; done == len(p) {
			return done, nil
		}
	}
}
