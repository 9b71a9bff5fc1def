package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	ossignal "os/signal"
	"strconv"
	"sync"
	"syscall"

	"github.com/coder/websocket"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/steelyard/steelyard/controller/cli/client"
	"github.com/steelyard/steelyard/pkg/fault"
)

// consoleCommand is `steelyard server console`.
func (p *program) consoleCommand(n *noun) *cobra.Command {
	var why string
	c := &cobra.Command{
		Use: "console SERVER", Short: "A shell in its RAM environment",
		Long: "Only while the server runs the RAM environment, and one at a time. The audit log keeps who opened it, when, from where, why and for how\n" +
			"long, but not what is typed. It ends 15 minutes after the last key. At the beginning of a line ~. leaves it and ~~ types a tilde.",
		Args: exactly("the name or id of one server"), ValidArgsFunction: p.completeArg("server"),
	}
	c.Flags().StringVar(&why, "reason", "", "why; kept in the audit log (required)")
	c.RunE = func(c *cobra.Command, args []string) error {
		if why == "" {
			return usage(c, "give --reason: why you need a console is kept in the audit log")
		}
		id, err := p.resolve(c.Context(), "server", args[0])
		if err != nil {
			return err
		}
		return p.console(c.Context(), n.path()+"/"+url.PathEscape(id)+"/console", args[0], why)
	}
	return c
}

func (p *program) console(ctx context.Context, path, name, why string) error {
	api, err := p.api()
	if err != nil {
		return err
	}
	query := url.Values{"reason": {why}}
	keyboard, tty := p.in.(*os.File)
	tty = tty && term.IsTerminal(int(keyboard.Fd()))
	if tty {
		if cols, rows, err := term.GetSize(int(keyboard.Fd())); err == nil {
			query.Set("rows", strconv.Itoa(rows))
			query.Set("cols", strconv.Itoa(cols))
		}
	}
	socket, err := api.Console(ctx, path, query)
	if err != nil {
		return err
	}
	defer func() { _ = socket.CloseNow() }()
	fmt.Fprintf(p.err, "Console of %s. Leave with ~. at the beginning of a line.\n", clean(name))
	if tty {
		before, err := term.MakeRaw(int(keyboard.Fd()))
		if err != nil {
			return fault.Unavailable("set up the terminal: %w", err)
		}
		defer func() { _ = term.Restore(int(keyboard.Fd()), before) }()
	}
	line := &consoleLine{socket: socket}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go line.send(ctx, p.in) // it waits for a key, which may never come; the program then ends
	var sizes sync.WaitGroup
	defer sizes.Wait()
	defer cancel()
	if tty {
		sizes.Go(func() { line.sizes(ctx, keyboard) })
	}
	return line.show(ctx, p.out, p.err)
}

// consoleLine is the WebSocket of a console.
type consoleLine struct{ socket *websocket.Conn }

func (l *consoleLine) write(ctx context.Context, kind websocket.MessageType, message []byte) error {
	ctx, cancel := context.WithTimeout(ctx, client.ConsoleWrite)
	defer cancel()
	return l.socket.Write(ctx, kind, message)
}

// send sends what is typed, until the person leaves or the console is over.
func (l *consoleLine) send(ctx context.Context, from io.Reader) {
	keys := escape{start: true}
	buf := make([]byte, 4<<10)
	for {
		n, err := from.Read(buf)
		typed, leave := keys.filter(buf[:n])
		if len(typed) > 0 && l.write(ctx, websocket.MessageBinary, typed) != nil {
			return // show tells why
		}
		if leave {
			_ = l.socket.Close(websocket.StatusNormalClosure, "")
			return
		}
		if err != nil { // the end of a file: the shell is not at its end
			return
		}
	}
}

// sizes tells the shell when the terminal gets another size.
func (l *consoleLine) sizes(ctx context.Context, terminal *os.File) {
	changed := make(chan os.Signal, 1)
	ossignal.Notify(changed, syscall.SIGWINCH)
	defer ossignal.Stop(changed)
	for {
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
		cols, rows, err := term.GetSize(int(terminal.Fd()))
		if err != nil {
			continue
		}
		word, err := json.Marshal(map[string]int{"rows": rows, "cols": cols})
		if err != nil || l.write(ctx, websocket.MessageText, word) != nil {
			return
		}
	}
}

// show prints what the shell writes, and at the end why it is over.
func (l *consoleLine) show(ctx context.Context, out, errs io.Writer) error {
	for {
		kind, message, err := l.socket.Read(ctx)
		if websocket.CloseStatus(err) == websocket.StatusNormalClosure || errors.Is(err, io.EOF) {
			fmt.Fprint(errs, "\r\nYou left the console.\r\n")
			return nil
		}
		if err != nil {
			return fault.Unavailable("the console broke off: %w", err)
		}
		if kind == websocket.MessageBinary {
			if _, err := out.Write(message); err != nil {
				return err
			}
			continue
		}
		var last struct {
			Ended  string `json:"ended"`
			Status int    `json:"status"`
		}
		if json.Unmarshal(message, &last) == nil && last.Ended != "" {
			fmt.Fprintf(errs, "\r\nThe console is over: %s.\r\n", clean(last.Ended))
			return nil
		}
	}
}

// escape finds ~. at the beginning of a line, as ssh does.
type escape struct {
	start, tilde bool // at the beginning of a line; a tilde came there and is held back
}

// filter takes what was typed and returns what is to be sent, and whether the person leaves.
func (e *escape) filter(typed []byte) (send []byte, leave bool) {
	for _, b := range typed {
		switch {
		case e.tilde && b == '.':
			return send, true
		case e.tilde:
			e.tilde = false
			send = append(send, '~')
			if b == '~' {
				e.start = false
				continue
			}
		case e.start && b == '~':
			e.tilde, e.start = true, false
			continue
		}
		e.start = b == '\r' || b == '\n'
		send = append(send, b)
	}
	return send, false
}
