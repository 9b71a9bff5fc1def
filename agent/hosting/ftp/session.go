package ftp

import (
	"strings"

	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/agent/hosting/daemon"
)

// session is a process of ProFTPD in which somebody is logged in.
type session struct {
	pid   int
	login string
}

// sessions are those of now. ProFTPD names the login in what its process calls itself, from the moment when the password was right.
func (p *Part) sessions() []session {
	master, err := p.o.daemon().PID()
	if err != nil {
		return nil
	}
	var list []session
	for _, pid := range daemon.Children(master) {
		if login := loggedIn(pid); login != "" {
			list = append(list, session{pid, login})
		}
	}
	return list
}

// loggedIn reads "proftpd: alice - 192.0.2.7: IDLE"; a session without a login has other words.
func loggedIn(pid int) string {
	rest, ok := strings.CutPrefix(daemon.Title(pid), "proftpd: ")
	login, _, dash := strings.Cut(rest, " - ")
	if !ok || !dash || strings.ContainsAny(login, " :()") {
		return ""
	}
	return login
}

func (s session) end() error {
	return daemon.Signal(s.pid, unix.SIGTERM, func() bool { return loggedIn(s.pid) == s.login })
}
