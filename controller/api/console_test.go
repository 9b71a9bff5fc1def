package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// echo is a console that shows what is typed, in capitals; the real one is in deploy/e2e/wire.
type echo struct {
	shown  chan []byte
	exit   chan *protocol.ConsoleExit
	over   chan struct{}
	once   sync.Once
	mu     sync.Mutex
	sizes  [][2]int
	opened [2]int
}

func (e *echo) Receive() ([]byte, *protocol.ConsoleExit, error) {
	select {
	case out := <-e.shown:
		return out, nil, nil
	case exit := <-e.exit:
		return nil, exit, nil
	case <-e.over:
		return nil, nil, fault.Refused("the console was closed")
	}
}

func (e *echo) Send(b []byte) error {
	if strings.Contains(string(b), "exit") {
		e.exit <- &protocol.ConsoleExit{Status: 3}
		return nil
	}
	select {
	case e.shown <- []byte(strings.ToUpper(string(b))):
		return nil
	case <-e.over:
		return errors.New("over")
	}
}

func (e *echo) Resize(rows, cols int) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sizes = append(e.sizes, [2]int{rows, cols})
	return nil
}

func (e *echo) Close() { e.once.Do(func() { close(e.over) }) }

// consoles opens echoes, or fails.
type consoles struct {
	last *echo
	err  error
}

func (f *consoles) Open(_ context.Context, _, _ string, rows, cols int) (Console, error) {
	if f.err != nil {
		return nil, f.err
	}
	f.last = &echo{shown: make(chan []byte, 8), exit: make(chan *protocol.ConsoleExit, 1), over: make(chan struct{}), opened: [2]int{rows, cols}}
	return f.last, nil
}

func (f *consoles) Replica() string { return "rep-1" }

// consoleHouse has a server in the RAM environment whose session is at this replica.
func consoleHouse(t *testing.T) (*house, *consoles, *httptest.Server) {
	t.Helper()
	shells := new(consoles)
	h := newHouse(t, func(o *Options) { o.Consoles = shells })
	h.api.pace.look = 5 * time.Millisecond
	h.change(func(tx *store.Tx) error {
		return errors.Join(
			store.Servers.Create(tx, "srv-1", fleet.Server{ID: "srv-1", Name: "web1", Approval: fleet.Approved, Environment: protocol.EnvRAM, CreatedAt: h.now()}),
			store.Presences.Create(tx, "srv-1", fleet.Presence{Server: "srv-1", Replica: "rep-1"}))
	})
	srv := httptest.NewServer(h.api)
	t.Cleanup(srv.Close)
	return h, shells, srv
}

func (h *house) dial(srv *httptest.Server, role access.Role, query url.Values) (*websocket.Conn, *http.Response, error) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), 20*time.Second)
	defer cancel()
	socket, res, err := websocket.Dial(ctx, srv.URL+"/v1/servers/web1/console?"+query.Encode(), &websocket.DialOptions{
		HTTPHeader: http.Header{"Authorization": {"Bearer " + h.token[role]}},
	})
	if err == nil {
		h.t.Cleanup(func() { _ = socket.CloseNow() })
	}
	return socket, res, err
}

// until reads a console until a text was shown, or the last word came.
func until(t *testing.T, socket *websocket.Conn, want string) (ConsoleWord, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var all strings.Builder
	for {
		kind, message, err := socket.Read(ctx)
		if err != nil {
			t.Fatalf("%v before %q, after %q", err, want, all.String())
		}
		var w ConsoleWord
		if kind == websocket.MessageText {
			if err := json.Unmarshal(message, &w); err != nil {
				t.Fatal(err)
			}
			return w, all.String()
		}
		all.Write(message)
		if want != "" && strings.Contains(all.String(), want) {
			return w, all.String()
		}
	}
}

func (h *house) consoleLines(action string) (list []access.Audit) {
	h.t.Helper()
	for end := time.Now().Add(20 * time.Second); len(list) == 0 && time.Now().Before(end); time.Sleep(time.Millisecond) {
		for i := range store.Audit.Items(h.store.Snapshot()) {
			if i.Value.Action == action {
				list = append(list, *i.Value)
			}
		}
	}
	return list
}

var because = url.Values{"reason": {"it does not boot"}, "rows": {"40"}, "cols": {"120"}}

func TestX8_AConsoleIsAuditedAtBothEndsAndItsContentIsNot(t *testing.T) {
	h, shells, srv := consoleHouse(t)
	socket, _, err := h.dial(srv, access.RoleOperations, because)
	if err != nil {
		t.Fatal(err)
	}
	opened := h.consoleLines("console.open")
	if len(opened) != 1 || opened[0].Reason != "it does not boot" || opened[0].Object != "servers/srv-1" || opened[0].Actor.Name != "operations token" || !strings.Contains(string(opened[0].After), `"127.0.0.1"`) {
		t.Errorf("%+v", opened)
	}
	if err := socket.Write(t.Context(), websocket.MessageText, []byte(`{"rows":50,"cols":132}`)); err != nil {
		t.Fatal(err)
	}
	if err := socket.Write(t.Context(), websocket.MessageBinary, []byte("my-secret-password")); err != nil {
		t.Fatal(err)
	}
	until(t, socket, "MY-SECRET-PASSWORD")
	shells.last.mu.Lock()
	if shells.last.opened != [2]int{40, 120} || len(shells.last.sizes) != 1 || shells.last.sizes[0] != [2]int{50, 132} {
		t.Errorf("%v %v", shells.last.opened, shells.last.sizes)
	}
	shells.last.mu.Unlock()
	h.pass(90 * time.Second)
	if err := socket.Write(t.Context(), websocket.MessageBinary, []byte("exit")); err != nil {
		t.Fatal(err)
	}
	w, _ := until(t, socket, "")
	if w.Status != 3 || !strings.Contains(w.Ended, "status 3") {
		t.Errorf("%+v", w)
	}
	closed := h.consoleLines("console.close")
	if len(closed) != 1 || closed[0].Reason != "it does not boot" || closed[0].Actor.Name != "operations token" {
		t.Fatalf("%+v", closed)
	}
	for _, part := range []string{`"seconds":9`, `"bytes_in":22`, `"bytes_out":18`, "status 3", "127.0.0.1"} {
		if !strings.Contains(string(closed[0].After), part) {
			t.Errorf("%s lacks %s", closed[0].After, part)
		}
	}
	for i := range store.Audit.Items(h.store.Snapshot()) {
		if text, _ := json.Marshal(i.Value); strings.Contains(strings.ToLower(string(text)), "my-secret") {
			t.Errorf("what was typed is recorded: %s", text)
		}
	}
	if strings.Contains(strings.ToLower(h.log.String()), "my-secret") {
		t.Error("what was typed is logged")
	}
}

func TestAConsoleEndsAfterFifteenMinutesWithoutAKeyAndWarnsBefore(t *testing.T) {
	h, _, srv := consoleHouse(t)
	socket, _, err := h.dial(srv, access.RoleAdmin, because)
	if err != nil {
		t.Fatal(err)
	}
	h.pass(14*time.Minute + time.Second)
	until(t, socket, "ends in 1m0s")
	if err := socket.Write(t.Context(), websocket.MessageBinary, []byte("here")); err != nil {
		t.Fatal(err)
	}
	until(t, socket, "HERE")
	h.pass(14*time.Minute + time.Second)
	until(t, socket, "ends in 1m0s")
	h.pass(time.Minute)
	if w, _ := until(t, socket, ""); !strings.Contains(w.Ended, "15 minutes") {
		t.Errorf("%+v", w)
	}
	if closed := h.consoleLines("console.close"); len(closed) != 1 || !strings.Contains(string(closed[0].After), "15 minutes") {
		t.Errorf("%+v", closed)
	}
}

func TestX7_AConsoleEndsWithTheLoginOfItsPerson(t *testing.T) {
	h, _, srv := consoleHouse(t)
	socket, _, err := h.dial(srv, access.RoleOperations, because)
	if err != nil {
		t.Fatal(err)
	}
	h.change(func(tx *store.Tx) error {
		for i := range store.Tokens.Items(h.store.Snapshot()) {
			if i.Value.Role == access.RoleOperations {
				tok := *i.Value
				tok.Revoked = true
				return store.Tokens.Put(tx, tok.ID, tok)
			}
		}
		return errors.New("no token")
	})
	if w, _ := until(t, socket, ""); !strings.Contains(w.Ended, "login") {
		t.Errorf("%+v", w)
	}
}

func TestAConsoleSaysWhichOperationRuns(t *testing.T) {
	h, _, srv := consoleHouse(t)
	socket, _, err := h.dial(srv, access.RoleOperations, because)
	if err != nil {
		t.Fatal(err)
	}
	run := func(op string) {
		h.change(func(tx *store.Tx) error {
			s, err := store.Servers.Get(tx, "srv-1")
			s.Operation = op
			return errors.Join(err, store.Servers.Put(tx, "srv-1", s))
		})
	}
	h.change(func(tx *store.Tx) error {
		return store.Operations.Create(tx, "opn-1", operation.Operation{ID: "opn-1", Kind: operation.Erase, Server: "srv-1", State: operation.Running, CreatedAt: h.now()})
	})
	run("opn-1")
	if _, text := until(t, socket, "]"); !strings.Contains(text, "erase opn-1 runs on this server and writes to its disks") {
		t.Error(text)
	}
	run("")
	until(t, socket, "operation opn-1 is over")
}

func TestConsolesThatAreRefusedSayWhy(t *testing.T) {
	h, shells, srv := consoleHouse(t)
	refused := func(what string, role access.Role, query url.Values, status int, words string) {
		t.Helper()
		_, res, err := h.dial(srv, role, query)
		if err == nil || res == nil {
			t.Fatalf("%s: %v", what, err)
		}
		body, _ := io.ReadAll(res.Body)
		if res.StatusCode != status || !strings.Contains(string(body), words) {
			t.Errorf("%s: %d %s", what, res.StatusCode, body)
		}
	}
	refused("a department", access.RoleDepartment, because, http.StatusForbidden, "server.console")
	refused("the systems role", access.RoleSystems, because, http.StatusForbidden, "server.console")
	refused("a customer", access.RoleCustomer, because, http.StatusForbidden, "server.console")
	refused("no reason", access.RoleAdmin, url.Values{"reason": {"  "}}, http.StatusUnprocessableEntity, "query.reason")
	refused("a size", access.RoleAdmin, url.Values{"reason": {"x"}, "rows": {"0"}, "cols": {"1001"}}, http.StatusUnprocessableEntity, "query.cols")
	if a := h.ask(access.RoleAdmin, "GET", "/v1/servers/web1/console?reason=x", ""); a.status != http.StatusUpgradeRequired || a.header.Get("Upgrade") != "websocket" {
		t.Errorf("no upgrade: %d", a.status)
	}
	if len(opened(h)) != 0 {
		t.Error("a refusal is audited as a console")
	}
	shells.err = fault.Refused("somebody has a console of server srv-1 already")
	refused("a second", access.RoleAdmin, because, http.StatusConflict, "already")
	if closed := h.consoleLines("console.close"); len(closed) != 1 || !strings.Contains(string(closed[0].After), "not opened") {
		t.Errorf("%+v", closed)
	}
	edit := func(change func(s *fleet.Server), p *fleet.Presence) {
		h.change(func(tx *store.Tx) error {
			s, err := store.Servers.Get(tx, "srv-1")
			change(&s)
			if p == nil {
				return errors.Join(err, store.Servers.Put(tx, "srv-1", s), store.Presences.Delete(tx, "srv-1"))
			}
			return errors.Join(err, store.Servers.Put(tx, "srv-1", s), store.Presences.Put(tx, "srv-1", *p))
		})
	}
	edit(func(*fleet.Server) {}, &fleet.Presence{Server: "srv-1", Replica: "rep-2"})
	refused("another replica", access.RoleAdmin, because, http.StatusMisdirectedRequest, "rep-2")
	edit(func(*fleet.Server) {}, nil)
	refused("not connected", access.RoleAdmin, because, http.StatusServiceUnavailable, "not connected")
	for environment, words := range map[string]string{protocol.EnvInstalled: "customer", protocol.EnvSimulated: "simulated", protocol.EnvSandbox: "sandbox", "": "not said yet"} {
		edit(func(s *fleet.Server) { s.Environment = environment }, &fleet.Presence{Server: "srv-1", Replica: "rep-1"})
		refused(environment, access.RoleAdmin, because, http.StatusConflict, words)
	}
}

func opened(h *house) (list []string) {
	for i := range store.Audit.Items(h.store.Snapshot()) {
		if i.Value.Action == "console.open" {
			list = append(list, i.ID)
		}
	}
	return list
}

// A client that reads answers by itself; one whose machine has gone loses its console, and others may have it.
func TestAConsoleWhoseClientDoesNotAnswerEnds(t *testing.T) {
	h, shells, srv := consoleHouse(t)
	h.api.pace.ping = 50 * time.Millisecond
	if _, _, err := h.dial(srv, access.RoleOperations, because); err != nil { // and never reads
		t.Fatal(err)
	}
	closed := h.consoleLines("console.close")
	if len(closed) != 1 || !strings.Contains(string(closed[0].After), "does not answer") {
		t.Errorf("%+v", closed)
	}
	select {
	case <-shells.last.over:
	case <-time.After(20 * time.Second):
		t.Error("the shell goes on without anybody")
	}
}

// What a client sends as text is a size within the bounds, or nothing.
func FuzzConsoleWord(f *testing.F) {
	for _, text := range []string{`{"rows":50,"cols":132}`, `{"rows":-1,"cols":9}`, `{"rows":1e9}`, `[]`, `{"rows":50,"cols":132}x`, "\xff", `{"ROWS":2,"cols":3,"rows":99999}`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		rows, cols, err := sizeOf(message)
		if err != nil {
			if !fault.Is(err, fault.KindInvalid) || rows != 0 || cols != 0 || strings.Contains(err.Error(), "\x1b") {
				t.Errorf("%d %d %v", rows, cols, err)
			}
			return
		}
		if min(rows, cols) < 1 || max(rows, cols) > protocol.MaxConsoleSide {
			t.Errorf("%d by %d", rows, cols)
		}
	})
}
