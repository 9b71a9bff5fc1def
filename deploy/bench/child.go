package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// A child is this program again, in a process of its own: it answers one line of JSON for each
// line that it is asked, the first one when it is ready, and ends when its input does.
type child struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// answer is what a child says.
type answer struct {
	Value json.RawMessage `json:"value,omitempty"`
	Error string          `json:"error,omitempty"`
}

// roles of children. start gets the arguments; ask is called for each line, words split.
var roles = map[string]func(args []string) (ready any, ask func(words []string) (any, error), err error){
	"serve-steelyard": serveSteelyard,
	"serve-nats":      serveNATS,
	"serve-grpc":      serveGRPC,
	"serve-tls":       serveTLS,
	"serve-echo":      serveEcho,
	"serve-live":      serveLive,
	"clients":         dialClients,
	"restart":         restartOurs,
	"restart-parts":   restartParts,
	"serve-etcd":      serveEtcd,
	"restart-remote":  restartRemote,
	"erase":           eraseChild,

	"usage-steelyard": serveUsage,
	"usage-tls":       serveBare,
	"usage-json":      serveJSON,
	"usage-clients":   reportUsage,
	"usage-heap":      fillHeap,

	"meter":            serveMeter,
	"series-steelyard": serveSeries,
	"series-golang":    serveGolang,
	"series-victoria":  serveVictoria,
}

// spawn starts a child and waits until it is ready.
func spawn(ctx context.Context, ready any, role string, args ...string) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &child{cmd: exec.CommandContext(ctx, self, append([]string{"child", role}, args...)...)}
	c.cmd.Stderr = os.Stderr
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.out = bufio.NewReaderSize(out, 1<<20)
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	if err := c.hear(ready); err != nil {
		c.stop()
		return nil, fmt.Errorf("child %s: %w", role, err)
	}
	return c, nil
}

// ask sends one line and waits for the answer.
func (c *child) ask(value any, format string, args ...any) error {
	if _, err := fmt.Fprintf(c.in, format+"\n", args...); err != nil {
		return err
	}
	if err := c.hear(value); err != nil {
		return fmt.Errorf("ask child %q: %w", fmt.Sprintf(format, args...), err)
	}
	return nil
}

func (c *child) hear(value any) error {
	line, err := c.out.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("it ended: %w", err)
	}
	var a answer
	if err := json.Unmarshal(line, &a); err != nil {
		return err
	}
	if a.Error != "" {
		return errors.New(a.Error)
	}
	if value == nil {
		return nil
	}
	return json.Unmarshal(a.Value, value)
}

// stop ends the child, by force if it does not end itself.
func (c *child) stop() {
	_ = c.in.Close()
	t := time.AfterFunc(10*time.Second, func() { _ = c.cmd.Process.Kill() })
	defer t.Stop()
	_ = c.cmd.Wait()
}

// beChild is the other side.
func beChild(role string, args []string) int {
	begin := roles[role]
	if begin == nil {
		fmt.Fprintln(os.Stderr, "bench: no such role:", role)
		return 2
	}
	say := json.NewEncoder(os.Stdout)
	reply := func(v any, err error) {
		var a answer
		if err == nil {
			a.Value, err = json.Marshal(v)
		}
		if err != nil {
			a = answer{Error: err.Error()}
		}
		_ = say.Encode(a) // a parent that is gone closes the input too
	}
	ready, ask, err := begin(args)
	reply(ready, err)
	if err != nil {
		return 1
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		reply(ask(words(lines.Text())))
	}
	return 0
}
