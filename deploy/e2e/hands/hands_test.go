// Package hands lets real agents do real commands of a real gateway: a sandbox agent with files
// and a loop device for disks, and a simulated fleet.
package hands

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/steelyard/steelyard/agent/app"
	"github.com/steelyard/steelyard/agent/driver/drivertest"
	"github.com/steelyard/steelyard/agent/driver/linux"
	"github.com/steelyard/steelyard/agent/simulate"
	"github.com/steelyard/steelyard/controller/authority"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/gateway"
	"github.com/steelyard/steelyard/controller/gateway/gatewaytest"
	"github.com/steelyard/steelyard/controller/image"
	"github.com/steelyard/steelyard/protocol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long anything may take on a busy machine.
const patience = 60 * time.Second

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); {
		if time.Now().After(end) {
			t.Fatalf("not in %v: %s", patience, what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// controller is a gateway with a fleet in memory behind it.
type controller struct {
	t         *testing.T
	fleet     *gatewaytest.Fleet
	authority *authority.Authority
	address   string
	commands  atomic.Int64
}

func newController(t *testing.T) *controller {
	t.Helper()
	a, err := authority.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	f := gatewaytest.New()
	f.AddToken("s3cret", 10_000)
	f.Approve = true
	g, err := gateway.New(gateway.Options{
		Authority: a, Certificate: a.ServerCertificate("127.0.0.1"), Directory: f, Intake: f, Presence: f, Images: f, Replica: "r1",
		Heartbeat: time.Second, SampleEvery: time.Second, ReturnWithin: time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	f.Changed = g.Wake
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	background(t, func(ctx context.Context) error { return g.Run(ctx, ln) })
	return &controller{t: t, fleet: f, authority: a, address: ln.Addr().String()}
}

func (c *controller) token() string { return c.authority.JoinToken("tok-1", "s3cret") }

// background runs work until the test ends; it must then return nil.
func background(t *testing.T, work func(context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- work(ctx) }()
	var once atomic.Bool
	stop = func() {
		if once.Swap(true) {
			return
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(stop)
	return stop
}

// agents waits for n connected servers that have reported, and lists them.
func (c *controller) agents(n int) []string {
	c.t.Helper()
	var list []string
	eventually(c.t, fmt.Sprintf("%d agents are here", n), func() bool {
		list = list[:0]
		for server := range c.fleet.Present() {
			if _, ok := c.fleet.Reported(server); ok {
				list = append(list, server)
			}
		}
		return len(list) >= n
	})
	return list
}

// send gives a command to a server and returns its id.
func (c *controller) send(server, kind string, fill func(*protocol.Command)) string {
	cmd := protocol.Command{
		ID: fmt.Sprintf("cmd-%d", c.commands.Add(1)), Server: server, Operation: "op-1", Step: kind, Epoch: 1, Kind: kind, Deadline: time.Now().Add(5 * time.Minute),
	}
	if fill != nil {
		fill(&cmd)
	}
	c.fleet.PutCommand(operation.Command{Command: cmd})
	return cmd.ID
}

func (c *controller) result(id string) protocol.Result {
	c.t.Helper()
	var res protocol.Result
	eventually(c.t, "a result of "+id, func() (ok bool) {
		res, ok = c.fleet.ResultOf(id)
		return ok
	})
	return res
}

// disks are those that the server's environment lets be touched.
func (c *controller) disks(server string) []protocol.DiskRef {
	rep, _ := c.fleet.Reported(server)
	s, _ := c.fleet.Server(server)
	refs, err := fleet.EraseRefs(&s, &rep.Inventory)
	if err != nil {
		c.t.Fatal(err)
	}
	return refs
}

func (c *controller) permit(server string) func(*protocol.Command) {
	rep, _ := c.fleet.Reported(server)
	return func(cmd *protocol.Command) {
		body, signature, err := protocol.Sign(protocol.Permit{
			ID: cmd.ID, Server: server, Operation: cmd.Operation, Epoch: cmd.Epoch, Identity: rep.Inventory.Identity,
			Disks: c.disks(server), NotAfter: cmd.Deadline,
		}, c.authority.Sign)
		if err != nil {
			c.t.Fatal(err)
		}
		cmd.Erase = &protocol.EraseCommand{SignedPermit: body, Signature: signature}
	}
}

// image stores an image and returns its manifest and bytes.
func (c *controller) image(size int) (protocol.ImageManifest, []byte) {
	raw := make([]byte, size)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range raw {
		raw[i] = byte(r.Uint32())
	}
	images, err := image.Open(c.t.TempDir(), c.authority.Sign)
	if err != nil {
		c.t.Fatal(err)
	}
	img, err := images.Import(c.t.Context(), bytes.NewReader(raw), image.Meta{Name: "test", OSFamily: "linux", Format: image.Raw})
	if err != nil {
		c.t.Fatal(err)
	}
	for _, name := range []string{img.FileSHA256, img.IndexSHA256} {
		f, _, err := images.Open(name)
		if err != nil {
			c.t.Fatal(err)
		}
		text, err := io.ReadAll(f)
		if err != nil || f.Close() != nil || c.fleet.PutFile(text) != name {
			c.t.Fatalf("file %s of the image: %v", name, err)
		}
	}
	return img.ImageManifest, raw
}

func (c *controller) write(m protocol.ImageManifest, disk protocol.DiskRef) func(*protocol.Command) {
	return func(cmd *protocol.Command) {
		body, signature, err := protocol.Sign(m, c.authority.Sign)
		if err != nil {
			c.t.Fatal(err)
		}
		cmd.Image = &protocol.ImageCommand{SignedManifest: body, Signature: signature, Disk: disk}
	}
}

// all gives a command to every server and returns the results in the order of servers.
func (c *controller) all(servers []string, kind string, fill func(server string) func(*protocol.Command)) []protocol.Result {
	c.t.Helper()
	var ids []string
	for _, server := range servers {
		ids = append(ids, c.send(server, kind, fill(server)))
	}
	var list []protocol.Result
	for i, id := range ids {
		res := c.result(id)
		if res.Fault != nil {
			c.t.Fatalf("%s on %s: %+v", kind, servers[i], res.Fault)
		}
		list = append(list, res)
	}
	return list
}

// prepare runs diagnose, erase, image and confirm on all servers.
func (c *controller) prepare(servers []string, m protocol.ImageManifest) {
	c.t.Helper()
	first := func(server string) protocol.DiskRef { return c.disks(server)[0] }
	for i, res := range c.all(servers, protocol.CommandDiagnose, func(string) func(*protocol.Command) { return nil }) {
		if len(res.Diagnosis.Checks) < 5 {
			c.t.Errorf("diagnose %s: %+v", servers[i], res)
		}
	}
	for i, res := range c.all(servers, protocol.CommandErase, c.permit) {
		if len(res.Erasures) != len(c.disks(servers[i])) || !res.Erasures[0].Proven {
			c.t.Errorf("erase %s: %+v", servers[i], res)
		}
	}
	for i, res := range c.all(servers, protocol.CommandImage, func(s string) func(*protocol.Command) { return c.write(m, first(s)) }) {
		if !res.Written.ReadBack {
			c.t.Errorf("image %s: %+v", servers[i], res)
		}
	}
	c.all(servers, protocol.CommandConfirm, func(s string) func(*protocol.Command) {
		return func(cmd *protocol.Command) {
			cmd.Confirm = &protocol.ConfirmCommand{Disk: first(s), RawBytes: m.RawBytes, RawSHA256: m.RawSHA256}
		}
	})
}

// TestB43_B44_B45_B46_ARealAgentPreparesALoopDisk erases and installs on a file and a loop
// device, through TLS, journal and direct I/O, and looks at the bytes.
func TestB43_B44_B45_B46_ARealAgentPreparesALoopDisk(t *testing.T) {
	t.Parallel()
	c := newController(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "disks", "0.img")
	loop := drivertest.Loop(t, 96<<20)
	left := bytes.Repeat([]byte("the last tenant "), 1<<16)
	if _, err := linux.OpenSandbox(0, file+":64MiB"); err != nil { // only files that it made are taken
		t.Fatal(err)
	}
	for _, path := range []string{file, loop} {
		f, err := os.OpenFile(path, os.O_RDWR, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt(left, 40<<20); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	background(t, func(ctx context.Context) error {
		return app.Run(ctx, app.Options{
			Controllers: []string{c.address}, Join: c.token(), State: filepath.Join(dir, "state"), Environment: protocol.EnvSandbox,
			SandboxDisks: []string{file, loop}, Version: "test", Logger: slog.New(slog.DiscardHandler),
		})
	})
	server := c.agents(1)[0]
	if disks := c.disks(server); len(disks) != 2 || disks[0].SizeBytes != 64<<20 || disks[1].SizeBytes != 96<<20 {
		t.Fatalf("disks %+v", disks)
	}
	m, raw := c.image(9<<20 + 123)
	c.prepare([]string{server}, m)
	got, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(got[:len(raw)], raw) || bytes.Count(got[10<<20:], []byte{0}) != 54<<20 {
		t.Errorf("the file holds something else: %v", err)
	}
	whole, err := os.ReadFile(loop)
	if err != nil || len(whole) != 96<<20 || bytes.Count(whole, []byte{0}) != len(whole) {
		t.Errorf("the loop device is not empty: %v", err)
	}
}

// TestB43_B44_B46_ASimulatedFleetIsPrepared runs the whole way on simulated servers, and sees
// them come back as themselves.
func TestB43_B44_B46_ASimulatedFleetIsPrepared(t *testing.T) {
	t.Parallel()
	c := newController(t)
	const count = 8
	state := t.TempDir()
	options := simulate.Options{Count: count, Seed: 5, Controllers: []string{c.address}, Join: c.token(), State: state, Version: "test"}
	stop := background(t, func(ctx context.Context) error { return simulate.Run(ctx, options) })
	servers := c.agents(count)
	m, _ := c.image(3 << 20)
	c.prepare(servers, m)
	stop()
	eventually(t, "everybody has left", func() bool { return len(c.fleet.Present()) == 0 })
	background(t, func(ctx context.Context) error { return simulate.Run(ctx, options) })
	again := map[string]bool{}
	for _, server := range c.agents(count) {
		again[server] = true
	}
	for _, server := range servers {
		if !again[server] {
			t.Errorf("server %s came back as another one", server)
		}
	}
}

// TestB42_AServerThatDiesInTheMiddleOfAnInstallComesBack sees the boot id change and the
// command succeed afterwards.
func TestB42_AServerThatDiesInTheMiddleOfAnInstallComesBack(t *testing.T) {
	t.Parallel()
	c := newController(t)
	background(t, func(ctx context.Context) error {
		return simulate.Run(ctx, simulate.Options{
			Count: 1, Seed: 5, Faults: simulate.Faults{DieInstall: 1}, Controllers: []string{c.address}, Join: c.token(), Version: "test",
		})
	})
	server := c.agents(1)[0]
	before := c.fleet.Present()[server]
	m, _ := c.image(24 << 20)
	res := c.result(c.send(server, protocol.CommandImage, c.write(m, c.disks(server)[0])))
	after := c.fleet.Present()[server]
	if res.Fault != nil || !res.Written.ReadBack || before.Since.Equal(after.Since) {
		t.Errorf("%+v; before %+v, after %+v", res.Fault, before, after)
	}
}

// TestB46_AFailingDiskIsFoundOut runs diagnostics and an erase on a server whose disk is dying.
func TestB46_B45_AFailingDiskIsFoundOut(t *testing.T) {
	t.Parallel()
	c := newController(t)
	background(t, func(ctx context.Context) error {
		return simulate.Run(ctx, simulate.Options{
			Count: 1, Seed: 5, Faults: simulate.Faults{FailingDisk: 1}, Controllers: []string{c.address}, Join: c.token(), Version: "test",
		})
	})
	server := c.agents(1)[0]
	res := c.result(c.send(server, protocol.CommandDiagnose, nil))
	errors := 0
	for _, check := range res.Diagnosis.Checks {
		if check.Verdict == protocol.VerdictError {
			errors++
		}
	}
	if errors < 2 {
		t.Errorf("%+v", res.Diagnosis.Checks)
	}
	res = c.result(c.send(server, protocol.CommandErase, c.permit(server)))
	last := len(res.Erasures) - 1
	if res.Fault == nil || res.Erasures[last].Proven || res.Erasures[last].Error == "" || last > 0 && !res.Erasures[0].Proven {
		t.Errorf("%+v %+v", res.Fault, res.Erasures)
	}
}
