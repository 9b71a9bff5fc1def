package rescue

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"

	"github.com/steelyard/steelyard/agent/shell"
	"github.com/steelyard/steelyard/protocol"
)

// Bounds of what a client may ask for.
const (
	maxTerm    = 64
	maxCommand = 128 << 10 // bytes of a command
)

// variables are the environment of every program.
var variables = []string{"PATH=/bin:/sbin:/usr/bin:/usr/sbin", "HOME=/tmp", "USER=root", "LOGNAME=root", `PS1=\h:\w# `}

// visit is one shell or command of somebody who is in.
type visit struct {
	channel ssh.Channel
	program []string // the shell
	term    *terminal
	mu      sync.Mutex
	running *shell.Shell
}

// terminal is what a client tells of its own.
type terminal struct {
	name       string
	rows, cols int
}

// serve answers what is asked, until the client has gone and its program has ended.
func (v *visit) serve(asked <-chan *ssh.Request) {
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	defer work.Wait()
	defer cancel()
	started := false
	for q := range asked {
		ok := false
		switch q.Type {
		case "pty-req":
			if t, good := parseTerminal(q.Payload); good && !started {
				v.term, ok = &t, true
			}
		case "window-change":
			ok = v.resize(q.Payload)
		case "shell", "exec":
			command, good := parseCommand(q)
			if good && !started {
				ok, started = true, true
				work.Go(func() { v.run(ctx, command) })
			}
		}
		if q.WantReply {
			_ = q.Reply(ok, nil)
		}
	}
}

// parseCommand reads what is to be run; a shell is the empty command.
func parseCommand(q *ssh.Request) (command string, ok bool) {
	if q.Type == "shell" {
		return "", true
	}
	var p struct{ Command string }
	if ssh.Unmarshal(q.Payload, &p) != nil || p.Command == "" || len(p.Command) > maxCommand || strings.Contains(p.Command, "\x00") {
		return "", false
	}
	return p.Command, true
}

// parseTerminal reads a pty-req (RFC 4254, 6.2); the modes of the terminal are those of the kernel.
func parseTerminal(payload []byte) (t terminal, ok bool) {
	var p struct {
		Term                      string
		Cols, Rows, Width, Height uint32
		Modes                     string
	}
	if ssh.Unmarshal(payload, &p) != nil || len(p.Term) > maxTerm || strings.ContainsFunc(p.Term, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return t, false
	}
	return terminal{p.Term, side(p.Rows), side(p.Cols)}, true
}

// parseSize reads a window-change (RFC 4254, 6.7).
func parseSize(payload []byte) (rows, cols int, ok bool) {
	var p struct{ Cols, Rows, Width, Height uint32 }
	if ssh.Unmarshal(payload, &p) != nil {
		return 0, 0, false
	}
	return side(p.Rows), side(p.Cols), true
}

func side(n uint32) int { return int(min(n, protocol.MaxConsoleSide)) }

func (v *visit) resize(payload []byte) bool {
	rows, cols, ok := parseSize(payload)
	v.mu.Lock()
	defer v.mu.Unlock()
	if !ok || v.running == nil {
		return false
	}
	return v.running.Resize(rows, cols) == nil
}

// run runs a shell or a command, on a terminal when one was asked for, and tells how it ended.
func (v *visit) run(ctx context.Context, command string) {
	program := v.program
	if command != "" {
		program = append(append([]string{}, program...), "-c", command)
	}
	var input sync.WaitGroup
	defer input.Wait()
	var status int
	var err error
	if v.term == nil {
		status, err = shell.Run(ctx, program, variables, "/", v.channel, v.channel, v.channel.Stderr())
	} else {
		status, err = v.onTerminal(ctx, program, &input)
	}
	if err != nil {
		_, _ = io.WriteString(v.channel.Stderr(), err.Error()+"\r\n")
		status = 127
	}
	_, _ = v.channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{uint32(status)}))
	_ = v.channel.Close() // and who waits for what is typed waits no longer
}

// onTerminal returns when the program has ended and everything that it wrote was taken; input may go on until the channel is closed.
func (v *visit) onTerminal(ctx context.Context, program []string, input *sync.WaitGroup) (int, error) {
	s, err := shell.Open(program, append([]string{"TERM=" + v.term.name}, variables...), "/", v.term.rows, v.term.cols)
	if err != nil {
		return 0, err
	}
	v.mu.Lock()
	v.running = s
	v.mu.Unlock()
	defer context.AfterFunc(ctx, func() { _ = s.Close() })()
	input.Go(func() { typeInto(s, v.channel) })
	_, _ = io.Copy(v.channel, s) // it fails when the client has gone
	status := 0
	if ctx.Err() == nil {
		status = s.Wait()
	}
	return status, s.Close()
}

// typeInto hands on what is typed. What the programs do not read in time is lost, as on every terminal.
func typeInto(s *shell.Shell, from io.Reader) {
	buf := make([]byte, 4<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			if _, err := s.Write(buf[:n]); errors.Is(err, os.ErrClosed) {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
