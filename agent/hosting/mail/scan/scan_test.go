package scan

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"testing"
)

// fakeClamd answers each stream with what verdict makes of it; it returns its socket.
func fakeClamd(t *testing.T, verdict func(mail string) string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "clamd")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			r := bufio.NewReader(conn)
			if _, err := r.ReadString(0); err == nil {
				var mail bytes.Buffer
				for {
					var size uint32
					if binary.Read(r, binary.BigEndian, &size) != nil || size == 0 {
						break
					}
					_, _ = io.CopyN(&mail, r, int64(size))
				}
				_, _ = conn.Write([]byte(verdict(mail.String()) + "\x00"))
			}
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-over
	})
	return path
}

// talk sends packets as Postfix does and returns what was answered: letters, with text.
func talk(t *testing.T, clamd string, packets ...packet) []string {
	t.Helper()
	ours, theirs := net.Pipe()
	s := &Server{Wants: func(domain string) bool { return domain == "scan.test" }, Clamd: clamd, Log: slog.New(slog.DiscardHandler)}
	over := make(chan struct{})
	go func() {
		defer close(over)
		s.serve(context.Background(), theirs)
	}()
	var said []string
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		for r := bufio.NewReader(ours); ; {
			p, err := read(r)
			if err != nil {
				return
			}
			if p.cmd != cmdOptions {
				said = append(said, strings.TrimSpace(string(p.cmd)+" "+strings.TrimSuffix(string(p.data), "\x00")))
			}
		}
	}()
	offer := binary.BigEndian.AppendUint32(nil, 6)
	offer = binary.BigEndian.AppendUint32(offer, 0x1ff)
	offer = binary.BigEndian.AppendUint32(offer, 0x1fffff)
	for _, p := range append([]packet{{cmdOptions, offer}}, packets...) {
		if write(ours, p.cmd, p.data) != nil {
			break
		}
	}
	_ = write(ours, cmdQuit, nil)
	<-over
	_ = ours.Close()
	<-heard
	return said
}

func mailTo(body string, to ...string) []packet {
	list := []packet{{cmdMail, []byte("<a@b.test>\x00")}}
	for _, one := range to {
		list = append(list, packet{cmdRecipient, []byte("<" + one + ">\x00NOTIFY=NEVER\x00")})
	}
	return append(list, packet{cmdHeader, []byte("Subject\x00hello\n there\x00")}, packet{cmdHeaderEnd, nil}, packet{cmdBody, []byte(body)}, packet{cmdEnd, nil})
}

func TestC10_WhatBecomesOfAMail(t *testing.T) {
	clamd := fakeClamd(t, func(mail string) string {
		header, body, _ := strings.Cut(mail, "\r\n\r\n")
		switch {
		case header != "Subject: hello\r\n there":
			return "stream: Broken.Header FOUND"
		case body == "large":
			return "INSTREAM size limit exceeded. ERROR"
		case body == "error":
			return "stream: Can't allocate memory ERROR"
		case body == "virus":
			return "stream: Bad 100% FOUND"
		}
		return "stream: OK"
	})
	for name, c := range map[string]struct {
		clamd   string
		packets []packet
		want    []string
	}{
		"clean":                    {clamd, mailTo("fine", "x@Scan.test"), []string{"c", "a"}},
		"nobody wants it":          {clamd, mailTo("virus", "x@free.test")[:4], []string{"a"}},
		"infected":                 {clamd, mailTo("virus", "x@scan.test"), []string{"c", "y 550 5.7.1 The mail contains a virus: Bad_100_"}},
		"infected, for both":       {clamd, mailTo("virus", "x@scan.test", "y@free.test", "z@scan.test"), []string{"c", "- <x@scan.test>", "- <z@scan.test>", "a"}},
		"too large":                {clamd, mailTo("large", "x@scan.test"), []string{"c", "a"}},
		"clamd fails":              {clamd, mailTo("error", "x@scan.test"), []string{"c", "y 451 4.7.1 The virus scanner does not answer, try again later"}},
		"clamd is away":            {"/nonexistent/clamd", mailTo("fine", "x@scan.test"), []string{"c", "y 451 4.7.1 The virus scanner does not answer, try again later"}},
		"one mail after another":   {clamd, append(mailTo("virus", "x@scan.test"), mailTo("fine", "x@scan.test")...), []string{"c", "y 550 5.7.1 The mail contains a virus: Bad_100_", "c", "a"}},
		"broken off":               {clamd, append(append(mailTo("virus", "x@scan.test")[:4], packet{cmdAbort, nil}), mailTo("fine", "x@free.test")[:4]...), []string{"c", "a"}},
		"packets out of order":     {clamd, []packet{{cmdEnd, nil}, {cmdBody, nil}, {cmdHeaderEnd, nil}, {cmdRecipient, nil}, {'?', nil}}, []string{"a", "a", "c"}},
		"a recipient without name": {clamd, mailTo("virus", "")[:4], []string{"a"}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := talk(t, c.clamd, c.packets...); strings.Join(got, "|") != strings.Join(c.want, "|") {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// FuzzPackets: whatever is sent, the milter neither panics nor keeps more than a packet.
func FuzzPackets(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x01E\x00\x00\x00\x02Rx"))
	f.Add([]byte("\xff\xff\xff\xffO"))
	f.Add([]byte("\x00\x00\x00\x05O\x00\x00\x00\x01"))
	f.Fuzz(func(t *testing.T, text []byte) {
		d := dialogue{server: &Server{Wants: func(string) bool { return len(text)%2 == 0 }, Clamd: "/nonexistent/clamd", Log: slog.New(slog.DiscardHandler)}, conn: sink{}}
		defer d.reset()
		for r := bufio.NewReader(bytes.NewReader(text)); ; {
			p, err := read(r)
			if err != nil || d.handle(p) != nil {
				return
			}
		}
	})
}

// sink is a connection that takes everything.
type sink struct{ net.Conn }

func (sink) Write(p []byte) (int, error) { return len(p), nil }
