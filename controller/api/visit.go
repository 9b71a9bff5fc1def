package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// Pace and limits of a console.
const (
	consoleMessage = 64 << 10         // bytes of one message of the client
	consoleWrite   = 30 * time.Second // to take one message
	consoleLook    = time.Second      // between two looks at the clock, the rights and the operation
	consoleIdle    = 15 * time.Minute // without a key
	consoleWarn    = 14 * time.Minute
	consolePing    = 30 * time.Second // between two questions whether the client is there, and for its answer; proxies close what is silent
)

type counter struct{ n atomic.Int64 }

func (c *counter) add(n int)     { c.n.Add(int64(n)) }
func (c *counter) set(n int64)   { c.n.Store(n) }
func (c *counter) get() uint64   { return uint64(c.n.Load()) }
func (c *counter) at() time.Time { return time.Unix(0, c.n.Load()) }

// ending is the first reason for which something ended.
type ending struct {
	once sync.Once
	why  string
}

func (e *ending) because(why string) { e.once.Do(func() { e.why = why }) }

func (e *ending) reason() string {
	e.because("it ended")
	return e.why
}

// run returns when the console is over and everybody who served it has gone.
func (v *visit) run() {
	ctx, cancel := context.WithCancel(v.c.ctx())
	defer cancel()
	var work sync.WaitGroup
	defer work.Wait()
	work.Go(func() {
		defer cancel()
		v.show(ctx)
	})
	work.Go(func() { v.watch(ctx) })
	work.Go(func() { v.ping(ctx) })
	v.listen(ctx)
	v.shell.Close()
}

// listen hands on what the person types, until the WebSocket ends.
func (v *visit) listen(ctx context.Context) {
	for {
		kind, message, err := v.socket.Read(ctx)
		if err != nil {
			v.over.because(leaving(err))
			return
		}
		if kind == websocket.MessageText {
			err = v.resize(message)
		} else {
			v.typed.set(v.c.api.opt.Now().UnixNano())
			v.in.add(len(message))
			err = v.shell.Send(message)
		}
		if err != nil { // show tells the person
			v.over.because(err.Error())
			v.shell.Close()
		}
	}
}

// leaving is how a person went.
func leaving(err error) string {
	switch websocket.CloseStatus(err) {
	case websocket.StatusNormalClosure, websocket.StatusGoingAway:
		return "the person left"
	case websocket.StatusMessageTooBig:
		return fmt.Sprintf("the client sent more than %d bytes in one message", consoleMessage)
	}
	return "the person's connection broke off"
}

func (v *visit) resize(message []byte) error {
	rows, cols, err := sizeOf(message)
	if err != nil {
		return err
	}
	return v.shell.Resize(rows, cols)
}

// sizeOf reads the only text message that a client sends.
func sizeOf(message []byte) (rows, cols int, err error) {
	var w ConsoleWord
	if err := json.Unmarshal(message, &w); err != nil {
		return 0, 0, fault.Invalid("a text message that is no ConsoleWord")
	}
	if min(w.Rows, w.Cols) < 1 || max(w.Rows, w.Cols) > protocol.MaxConsoleSide {
		return 0, 0, fault.Invalid("a terminal of %d by %d characters", w.Rows, w.Cols)
	}
	return w.Rows, w.Cols, nil
}

// show shows what the shell writes, and at its end why it ended.
func (v *visit) show(ctx context.Context) {
	var last ConsoleWord
	for {
		output, exit, err := v.shell.Receive()
		if err == nil && exit == nil {
			v.out.add(len(output))
			if err = v.write(ctx, websocket.MessageBinary, output); err == nil {
				continue
			}
			v.over.because("the person's connection took nothing any more")
		}
		switch {
		case err != nil:
			v.over.because(err.Error())
		case exit.Fault != nil:
			v.over.because(exit.Fault.Error())
		default:
			last.Status = exit.Status
			v.over.because(fmt.Sprintf("the shell ended with status %d", exit.Status))
		}
		break
	}
	last.Ended = v.over.reason()
	if text, err := json.Marshal(last); err == nil && v.write(ctx, websocket.MessageText, text) == nil {
		_ = v.socket.Close(websocket.StatusNormalClosure, "")
	}
	_ = v.socket.CloseNow()
}

// write sends one message within its time.
func (v *visit) write(ctx context.Context, kind websocket.MessageType, message []byte) error {
	ctx, cancel := context.WithTimeout(ctx, consoleWrite)
	defer cancel()
	return v.socket.Write(ctx, kind, message)
}

// say tells the person something between what the shell writes.
func (v *visit) say(ctx context.Context, format string, args ...any) {
	text := "\r\n[steelyard: " + fmt.Sprintf(format, args...) + "]\r\n"
	_ = v.write(ctx, websocket.MessageBinary, []byte(text)) // a connection that is gone ends in show
}

// watch looks at what may end a console, or what the person should know.
func (v *visit) watch(ctx context.Context) {
	look := time.NewTicker(v.c.api.pace.look)
	defer look.Stop()
	var seen watched
	for {
		if err := v.look(ctx, &seen); err != nil {
			v.over.because(err.Error())
			v.shell.Close() // show tells the person
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
	}
}

// ping asks the client whether it is there, and ends the console of one that does not answer: its person may have gone
// without a word, and nobody else gets a console meanwhile.
func (v *visit) ping(ctx context.Context) {
	next := time.NewTicker(v.c.api.pace.ping)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-next.C:
		}
		limit, cancel := context.WithTimeout(ctx, v.c.api.pace.ping)
		err := v.socket.Ping(limit)
		cancel()
		if err != nil && ctx.Err() == nil {
			v.over.because("the person's client does not answer any more")
			v.shell.Close()
			return
		}
	}
}

// watched is what a person was told.
type watched struct {
	operation string
	warned    time.Time // when the last key was pressed before the warning
}

var errIdle = errors.New("nothing was typed for 15 minutes")

func (v *visit) look(ctx context.Context, seen *watched) error {
	a := v.c.api
	if !a.welcome(&watcher{c: v.c}) || !v.c.may(permissions[consoleRoute]) {
		return errors.New("your login has ended, or may do less than before")
	}
	typed := v.typed.at()
	idle := a.opt.Now().Sub(typed)
	if idle >= consoleIdle {
		return errIdle
	}
	if idle >= consoleWarn && !seen.warned.Equal(typed) {
		seen.warned = typed
		v.say(ctx, "nothing was typed for %v; the console ends in %v unless you press a key", consoleWarn, consoleIdle-consoleWarn)
	}
	s, ok := store.Servers.In(a.opt.Store.Snapshot(), v.server)
	if !ok || s.Operation == seen.operation {
		return nil
	}
	v.tellOperation(ctx, seen.operation, s.Operation)
	seen.operation = s.Operation
	return nil
}

// tellOperation says what the controller does to the machine meanwhile.
func (v *visit) tellOperation(ctx context.Context, before, now string) {
	if now == "" {
		v.say(ctx, "operation %s is over", before)
		return
	}
	kind := "operation"
	if op, ok := store.Operations.In(v.c.api.opt.Store.Snapshot(), now); ok {
		kind = op.Kind
	}
	switch kind {
	case operation.Erase, operation.Install, operation.Delete:
		v.say(ctx, "%s %s runs on this server and writes to its disks: look, do not touch", kind, now)
	default:
		v.say(ctx, "%s %s runs on this server", kind, now)
	}
}
