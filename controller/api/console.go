package api

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/coder/websocket"
	"github.com/danielgtaylor/huma/v2"

	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/logging"
	"github.com/steelyard/steelyard/protocol"
)

const consoleRoute = "GET /v1/servers/{id}/console"

// Console is a shell on a machine. One goroutine receives; any sends and closes.
type Console interface {
	// Receive waits for what the shell writes; exit, the last that comes, tells how it ended.
	Receive() (output []byte, exit *protocol.ConsoleExit, err error)
	Send(input []byte) error
	Resize(rows, cols int) error
	Close()
}

// Consoles opens the shells of machines whose agents have their sessions at this replica.
type Consoles interface {
	Open(ctx context.Context, server, console string, rows, cols int) (Console, error)
	Replica() string // name of this replica in presence records
}

// ConsoleWord is a text message of a console's WebSocket. What is typed and shown comes in binary messages.
type ConsoleWord struct {
	Rows   int    `json:"rows,omitempty" doc:"From the client: size of its terminal, when it changed."`
	Cols   int    `json:"cols,omitempty"`
	Ended  string `json:"ended,omitempty" doc:"From the controller, last: why the console is over."`
	Status int    `json:"status,omitempty" doc:"With ended: exit status of the shell."`
}

func (a *API) registerConsole() {
	without(a, consoleRoute, about{
		summary: "A shell in the RAM environment (WebSocket)", tag: "servers", answer: ConsoleWord{}, status: http.StatusSwitchingProtocols,
		detail: "Upgrades to a WebSocket (RFC 6455). Binary messages carry what is typed and what is shown, text messages a ConsoleWord. " +
			"Given only while the server runs its RAM environment, one at a time; it ends 15 minutes after the last key. " +
			"Who opened it, when, from where, why and for how long is in the audit log; what is typed and shown is not. A replica that does not hold the session of the server's agent answers 421.",
		params: []*huma.Param{
			{Name: "reason", In: "query", Required: true, Schema: text0, Description: "Why; kept in the audit log."},
			{Name: "rows", In: "query", Schema: text0, Description: "Size of the terminal."},
			{Name: "cols", In: "query", Schema: text0},
		},
	}, a.console)
}

// console checks everything that can be checked before the audit log says that somebody has a shell.
func (a *API) console(c *call) (reply, error) {
	r, err := a.find(c, "servers")
	if err != nil {
		return reply{}, err
	}
	q := c.r.URL.Query()
	rows, cols, err := terminalSize(q.Get("rows"), q.Get("cols"))
	if err != nil {
		return reply{}, err
	}
	reason := strings.TrimSpace(q.Get("reason"))
	if err := consoleReason(reason); err != nil {
		return reply{}, err
	}
	if !strings.EqualFold(c.r.Header.Get("Upgrade"), "websocket") {
		c.w.Header().Set("Upgrade", "websocket")
		return reply{}, newProblem(http.StatusUpgradeRequired, "a console is a WebSocket; use: steelyard server console "+clip(r.id))
	}
	if err := a.here(r.id); err != nil {
		return reply{}, err
	}
	v := &visit{c: c, server: r.id, reason: reason, from: peer(c.r), began: a.opt.Now()}
	v.typed.set(v.began.UnixNano())
	ctx, cancel := context.WithTimeout(c.ctx(), storeTime)
	defer cancel()
	if v.id, err = a.in.OpenConsole(ctx, c.actor(), r.id, v.from, reason); err != nil {
		return reply{}, err
	}
	if v.shell, err = a.opt.Consoles.Open(c.ctx(), r.id, v.id, rows, cols); err != nil {
		v.record("not opened: " + err.Error())
		return reply{}, err
	}
	return reply{stream: v.serve}, nil
}

func consoleReason(reason string) error {
	var c fault.Check
	c.Require(reason != "", "query.reason", "is missing; say what you look for, it is kept in the audit log")
	c.Require(len(reason) <= 500, "query.reason", "has more than 500 bytes")
	return c.Err("the console cannot be opened")
}

func terminalSize(rows, cols string) (r, k int, err error) {
	var c fault.Check
	one := func(name, text string, otherwise int) int {
		if text == "" {
			return otherwise
		}
		n, err := strconv.Atoi(text)
		c.Require(err == nil && n >= 1 && n <= protocol.MaxConsoleSide, "query."+name, "is %.20q; give 1 to %d", text, protocol.MaxConsoleSide)
		return n
	}
	r, k = one("rows", rows, 24), one("cols", cols, 80)
	return r, k, c.Err("the console cannot be opened")
}

// here tells why this replica cannot open a console of a server, and who can.
func (a *API) here(server string) error {
	snap := a.opt.Store.Snapshot()
	if s, ok := store.Servers.In(snap, server); ok {
		if err := fleet.MayConsole(*s); err != nil {
			return err
		}
	}
	p, connected := store.Presences.In(snap, server)
	switch {
	case a.opt.Consoles == nil:
		return fault.Unavailable("this controller opens no consoles")
	case !connected:
		return fault.Unavailable("the agent of server %s is not connected; is the machine on? See: steelyard server show %s", server, server)
	case p.Replica != a.opt.Consoles.Replica():
		return newProblem(http.StatusMisdirectedRequest, "the session of server "+server+" is held by the replica "+p.Replica+", and this is "+a.opt.Consoles.Replica()+"; ask that one (--url)")
	}
	return nil
}

// visit is one person with one console.
type visit struct {
	c              *call
	id, server     string
	reason, from   string
	began          time.Time
	shell          Console
	socket         *websocket.Conn
	in, out, typed counter
	over           ending
}

// serve connects the person with the shell until one of them, the clock or the loss of a right ends it.
func (v *visit) serve() {
	defer v.shell.Close()
	socket, err := websocket.Accept(v.c.w, v.c.r, nil)
	if err != nil { // it answered the client itself
		v.record("the client's WebSocket was not usable: " + err.Error())
		return
	}
	socket.SetReadLimit(consoleMessage)
	v.socket = socket
	v.run()
	v.record(v.over.reason())
}

// record writes the end into the audit log, whatever became of the request.
func (v *visit) record(ended string) {
	a := v.c.api
	ctx, cancel := context.WithTimeout(context.WithoutCancel(v.c.ctx()), storeTime)
	defer cancel()
	err := a.in.CloseConsole(ctx, v.c.actor(), v.server, intake.ConsoleVisit{
		Console: v.id, From: v.from, Seconds: int64(a.opt.Now().Sub(v.began) / time.Second),
		BytesIn: v.in.get(), BytesOut: v.out.get(), Ended: ended,
	}, v.reason)
	if err != nil {
		a.opt.Logger.Error("the end of a console is not in the audit log", logging.KeyServer, v.server, "console", v.id, "ended", ended, logging.KeyError, err)
	}
}
