package ftp

import (
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/agent/hosting/hostingtest"
)

// client is a session as a customer's program has it.
type client struct {
	t    testing.TB
	host string
	raw  net.Conn
	*textproto.Conn
}

// dial connects without a login.
func (n *node) dial() *client {
	n.t.Helper()
	raw, err := net.DialTimeout("tcp", n.o.Probe, hostingtest.Patience)
	if err != nil {
		n.t.Fatal(err)
	}
	_ = raw.SetDeadline(time.Now().Add(hostingtest.Patience))
	n.t.Cleanup(func() { raw.Close() })
	c := &client{n.t, loopback, raw, textproto.NewConn(raw)}
	if _, _, err := c.ReadResponse(220); err != nil {
		n.t.Fatal(err)
	}
	return c
}

// do sends a command and returns the code of the answer and its text.
func (c *client) do(format string, args ...any) (int, string) {
	c.t.Helper()
	if err := c.PrintfLine(format, args...); err != nil {
		return 0, err.Error()
	}
	return c.answer()
}

func (c *client) answer() (int, string) {
	code, text, err := c.ReadResponse(0)
	if err != nil && code == 0 {
		return 0, err.Error()
	}
	return code, text
}

func (c *client) must(want int, format string, args ...any) string {
	c.t.Helper()
	code, text := c.do(format, args...)
	if code != want {
		c.t.Errorf("%s: %d %s; want %d", fmt.Sprintf(format, args...), code, text, want)
	}
	return text
}

// login tries to, and returns the code of the answer.
func (n *node) login(name, password string) (*client, int) {
	n.t.Helper()
	c := n.dial()
	c.do("USER %s", name)
	code, _ := c.do("PASS %s", password)
	return c, code
}

// in is a session that is logged in.
func (n *node) in(name, password string) *client {
	n.t.Helper()
	c, code := n.login(name, password)
	if code != 230 {
		n.t.Fatalf("login of %s: %d", name, code)
	}
	c.must(200, "TYPE I")
	return c
}

// data opens a data connection.
func (c *client) data() net.Conn {
	c.t.Helper()
	text := c.must(229, "EPSV")
	_, port, _ := strings.Cut(text, "|||")
	port, _, _ = strings.Cut(port, "|")
	conn, err := net.DialTimeout("tcp", net.JoinHostPort(c.host, port), hostingtest.Patience)
	if err != nil {
		c.t.Fatal(err)
	}
	_ = conn.SetDeadline(time.Now().Add(hostingtest.Patience))
	return conn
}

// abort calls an upload off as programs do, as urgent data: ProFTPD waits for the file's and does not look at commands.
func (c *client) abort() {
	c.t.Helper()
	raw, err := c.raw.(*net.TCPConn).SyscallConn()
	if err != nil {
		c.t.Fatal(err)
	}
	var sent error
	if err := raw.Write(func(fd uintptr) bool {
		sent = unix.Sendto(int(fd), []byte("ABOR\r\n"), unix.MSG_OOB|unix.MSG_NOSIGNAL, nil)
		return true
	}); err != nil || sent != nil {
		c.t.Fatal(err, sent)
	}
}

// put uploads a text; it returns the code of the last answer.
func (c *client) put(name, text string) int {
	c.t.Helper()
	conn := c.data()
	if code, _ := c.do("STOR %s", name); code != 150 {
		conn.Close()
		return code
	}
	_, _ = io.WriteString(conn, text) // a refused one is cut short
	conn.Close()
	code, _ := c.answer()
	return code
}

// get downloads a file.
func (c *client) get(name string) (string, int) {
	c.t.Helper()
	conn := c.data()
	if code, _ := c.do("RETR %s", name); code != 150 {
		conn.Close()
		return "", code
	}
	text, err := io.ReadAll(conn)
	if err != nil {
		c.t.Error(err)
	}
	conn.Close() // ProFTPD waits for it before it answers
	code, _ := c.answer()
	return string(text), code
}
