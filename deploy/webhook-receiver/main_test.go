package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	corenotify "github.com/steelyard/steelyard/controller/core/notify"
	"github.com/steelyard/steelyard/controller/core/task"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/notify"
	"github.com/steelyard/steelyard/controller/seal"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/controller/store/kv/memkv"
)

type fixedKey struct{}

func (fixedKey) Derive(_ string, n int) ([]byte, error) { return make([]byte, n), nil }

// The program that operators copy from takes what a controller sends, in order, and each
// event once even when it is sent again.
func TestX6_ExampleReceiverTakesEvents(t *testing.T) {
	program := filepath.Join(t.TempDir(), "webhook-receiver")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	address := freeAddress(t)
	backend := memkv.New(memkv.Options{})
	log := slog.New(slog.DiscardHandler)
	st := store.New(backend, log)
	ring, err := seal.Open(st, fixedKey{})
	must(t, err)
	in := intake.New(st, log, time.Now)
	in.SetRing(ring)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = st.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait(); backend.Close() })
	must(t, st.Ready(ctx))
	admin := access.Actor{Name: "ann", Role: access.RoleAdmin}
	must(t, in.ChangeSettings(ctx, admin, store.FleetSetting{WebhookPrivateTargets: true}))
	hook, secret, _, err := in.CreateWebhook(ctx, admin, intake.WebhookDraft{Name: "example", URL: "http://" + address + "/", Events: []string{"task.*"}})
	must(t, err)
	lines := startReceiver(t, program, address, secret)
	n := notify.New(notify.Options{Store: st, Secrets: ring, Logger: log, Now: time.Now, Version: "test"})
	running.Go(func() { _ = n.Run(ctx, store.Fence{}) })

	for _, state := range []string{task.Open, task.Closed} {
		_, err := st.Change(ctx, func(tx *store.Tx) error { return store.Tasks.Put(tx, "tsk-1", task.Task{ID: "tsk-1", State: state}) })
		must(t, err)
	}
	opened, closed := next(t, lines), next(t, lines)
	if !strings.Contains(opened, `"type":"task.opened"`) || !strings.Contains(closed, `"type":"task.closed"`) || !strings.HasPrefix(opened, "evt-") {
		t.Errorf("the receiver printed\n%s%s", opened, closed)
	}
	await(t, func() bool { return count(st, corenotify.Delivered) == 2 })
	for id := range store.Deliveries.Keys(st.Snapshot()) {
		_, err := in.Redeliver(ctx, admin, id, "again")
		must(t, err)
	}
	await(t, func() bool {
		return n.Stats().Attempts[notify.Attempted{Channel: "webhook", Outcome: "delivered"}] == 4
	})
	_, _, err = in.TestWebhook(ctx, admin, hook.ID)
	must(t, err)
	if line := next(t, lines); !strings.Contains(line, `"type":"test"`) {
		t.Errorf("an event that came twice was printed twice: %s", line)
	}
}

func startReceiver(t *testing.T, program, address, secret string) *bufio.Reader {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secret")
	must(t, os.WriteFile(file, []byte(secret+"\n"), 0o600))
	c := exec.Command(program, "-secret-file", file, "-listen", address)
	c.Stderr = t.Output()
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	out, err := c.StdoutPipe()
	must(t, err)
	must(t, c.Start())
	t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	await(t, func() bool {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
	return bufio.NewReader(out)
}

// freeAddress is one that the program can listen on.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.83.8.1:0")
	must(t, err)
	defer l.Close()
	return l.Addr().String()
}

func next(t *testing.T, lines *bufio.Reader) string {
	t.Helper()
	line, err := lines.ReadString('\n')
	must(t, err)
	return line
}

func count(st *store.Store, state string) (n int) {
	for i := range store.Deliveries.Items(st.Snapshot()) {
		if i.Value.State == state {
			n++
		}
	}
	return n
}

func await(t *testing.T, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it never came to pass")
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestX9_ReceiverRefusesStrangers(t *testing.T) {
	secret, body, now := []byte("0123456789abcdef0123456789abcdef"), []byte("{}"), time.Unix(1_700_000_000, 0)
	sign := func(change func(http.Header)) http.Header {
		h := http.Header{}
		h.Set("webhook-id", "evt-1")
		h.Set("webhook-timestamp", fmt.Sprint(now.Unix()))
		h.Set("webhook-signature", corenotify.Sign([][]byte{[]byte("the secret before this one, 24+."), secret}, "evt-1", now, body))
		change(h)
		return h
	}
	if id, err := verify(secret, sign(func(http.Header) {}), body, now); err != nil || id != "evt-1" {
		t.Fatalf("%q %v", id, err)
	}
	for name, change := range map[string]func(http.Header){
		"another id":   func(h http.Header) { h.Set("webhook-id", "evt-2") },
		"no id":        func(h http.Header) { h.Del("webhook-id") },
		"another time": func(h http.Header) { h.Set("webhook-timestamp", fmt.Sprint(now.Unix()+1)) },
		"no time":      func(h http.Header) { h.Set("webhook-timestamp", "now") },
		"no signature": func(h http.Header) { h.Del("webhook-signature") },
		"another version": func(h http.Header) {
			h.Set("webhook-signature", strings.ReplaceAll(h.Get("webhook-signature"), "v1,", "v9,"))
		},
	} {
		if _, err := verify(secret, sign(change), body, now); err == nil {
			t.Errorf("%s passes", name)
		}
	}
	same := sign(func(http.Header) {})
	for _, at := range []time.Duration{-tolerance - time.Second, tolerance + time.Second} {
		if _, err := verify(secret, same, body, now.Add(at)); err == nil {
			t.Errorf("a message passes %s later", at)
		}
	}
	if _, err := verify(secret, same, []byte("{ }"), now); err == nil {
		t.Error("another body passes")
	}
}

// FuzzVerify: whatever strangers send, nothing passes but what was signed.
func FuzzVerify(f *testing.F) {
	f.Add("evt-1", "1700000000", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE= v1,", []byte("{}"))
	f.Add("", "-9223372036854775808", "v1,,,, v2", []byte{})
	f.Fuzz(func(t *testing.T, id, stamp, signature string, body []byte) {
		h := http.Header{"Webhook-Id": {id}, "Webhook-Timestamp": {stamp}, "Webhook-Signature": {signature}}
		if _, err := verify([]byte("a secret that nobody guesses, ever"), h, body, time.Unix(1_700_000_000, 0)); err == nil {
			t.Error("it passes")
		}
	})
}

func TestReceiverForgetsTheOldest(t *testing.T) {
	r := &receiver{out: io.Discard, seen: map[string]bool{}}
	for i := range remember + 5 {
		r.keep(fmt.Sprint(i))
	}
	if len(r.seen) != remember || len(r.order) != remember || r.seen["4"] || !r.seen["5"] {
		t.Errorf("%d ids are kept", len(r.seen))
	}
}
