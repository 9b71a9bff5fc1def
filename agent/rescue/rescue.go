package rescue

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// maxKeys bounds the keys of one rescue; an order has fewer.
const maxKeys = 256

// maxAddresses is more than a protocol.Network may hold.
const maxAddresses = 128

// Wire sets the network of the machine; doing it again changes nothing.
type Wire interface {
	// Addresses gives an interface the addresses, beside those that it has, and returns them.
	Addresses(n protocol.Network) ([]netip.Addr, error)
	// Routes leads everything through the gateways, and asks the name servers.
	Routes(n protocol.Network) error
}

// Options describe a rescue.
type Options struct {
	Dir     string                                     // that keeps what was asked for
	Wire    Wire                                       // nil: netlink
	Listen  func(address string) (net.Listener, error) // nil: port 22 of the address; "" every address
	Program []string                                   // nil: /bin/sh
	Logger  *slog.Logger
}

// Rescue is what lets the customer in. Make one with New.
type Rescue struct {
	opt  Options
	mu   sync.Mutex
	kept kept
	room room

	opened chan net.Listener
	open   []net.Listener
}

// kept is what an agent that is started again goes on with.
type kept struct {
	Command protocol.RescueCommand `json:"command"`
	Seed    []byte                 `json:"seed"` // of the host key
}

// New makes a rescue that lets nobody in before Admit, or Run where it was asked for earlier in this boot.
func New(o Options) *Rescue {
	if o.Wire == nil {
		o.Wire = kernel{}
	}
	if o.Listen == nil {
		o.Listen = func(address string) (net.Listener, error) { return net.Listen("tcp", net.JoinHostPort(address, "22")) }
	}
	if o.Program == nil {
		o.Program = []string{"/bin/sh"}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Rescue{opt: o, opened: make(chan net.Listener, maxAddresses)}
}

// Admit lets the holders of the keys in, and says how. Faults: invalid for a command that cannot be followed; unavailable when the
// machine's network cannot be set.
func (r *Rescue) Admit(c *protocol.RescueCommand) (string, error) {
	if c == nil {
		return "", fault.Invalid("a rescue without its settings")
	}
	keys, err := parseKeys(c.SSHKeys)
	if err := errors.Join(err, c.Network.Validate()); err != nil {
		return "", fault.Invalid("a rescue that cannot be: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	k := kept{Command: *c, Seed: r.kept.Seed}
	if k.Seed == nil {
		k.Seed = make([]byte, ed25519.SeedSize)
		_, _ = rand.Read(k.Seed) // it never fails
	}
	if err := r.keep(k); err != nil {
		return "", err
	}
	return r.begin(k, keys)
}

// begin opens the ports. The lock is held.
func (r *Rescue) begin(k kept, keys map[string]bool) (string, error) {
	host, err := ssh.NewSignerFromKey(ed25519.NewKeyFromSeed(k.Seed))
	if err != nil {
		return "", err
	}
	r.kept = k
	r.room.admit(host, keys)
	var at []netip.Addr
	if k.Command.Network != nil {
		if at, err = r.opt.Wire.Addresses(*k.Command.Network); err != nil {
			return "", fault.Unavailable("give the machine the addresses of the service: %w", err)
		}
	}
	if err := r.listen(at); err != nil {
		return "", err
	}
	return words(at, ssh.FingerprintSHA256(host.PublicKey())), nil
}

// listen opens the port of every address, once.
func (r *Rescue) listen(at []netip.Addr) error {
	if r.open != nil {
		return nil
	}
	texts := []string{""}
	if len(at) > 0 {
		texts = nil
	}
	for _, a := range at {
		texts = append(texts, a.String())
	}
	for _, text := range texts {
		l, err := r.opt.Listen(text)
		if err != nil {
			for _, l := range r.open {
				_ = l.Close()
			}
			r.open = nil
			return fault.Unavailable("open the port of the rescue: %w", err)
		}
		r.open = append(r.open, l)
	}
	for _, l := range r.open {
		r.opened <- l
	}
	return nil
}

func words(at []netip.Addr, fingerprint string) string {
	how := "ssh root@ the address that DHCP gave"
	if len(at) > 0 {
		list := make([]string, len(at))
		for i, a := range at {
			list[i] = "ssh root@" + a.String()
		}
		how = strings.Join(list, " or ")
	}
	return how + "; its host key is " + fingerprint
}

// Route leads everything through the service's gateway.
func (r *Rescue) Route() error {
	r.mu.Lock()
	n := r.kept.Command.Network
	r.mu.Unlock()
	if n == nil {
		return nil
	}
	return r.opt.Wire.Routes(*n)
}

// Run serves until ctx ends, and waits for whom it let in.
func (r *Rescue) Run(ctx context.Context) {
	if err := r.again(); err != nil {
		r.opt.Logger.Error("what was asked for before cannot go on", "error", err)
	}
	var work sync.WaitGroup
	defer work.Wait()
	for {
		select {
		case <-ctx.Done():
			return
		case l := <-r.opened:
			work.Go(func() { r.serve(ctx, l) })
		}
	}
}

// again goes on with what was asked for earlier in this boot, unless it was asked for anew meanwhile.
func (r *Rescue) again() error {
	begun, err := r.recall()
	if err != nil || !begun {
		return err
	}
	return r.Route()
}

func (r *Rescue) recall() (begun bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.kept.Seed != nil {
		return false, nil
	}
	raw, err := os.ReadFile(r.file())
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	var k kept
	if err == nil {
		err = json.Unmarshal(raw, &k)
	}
	if err != nil {
		return false, err
	}
	if len(k.Seed) != ed25519.SeedSize {
		return false, fmt.Errorf("%s holds no host key", r.file())
	}
	keys, err := parseKeys(k.Command.SSHKeys)
	if err != nil {
		return false, err
	}
	_, err = r.begin(k, keys)
	return true, err
}

func (r *Rescue) file() string { return filepath.Join(r.opt.Dir, "rescue.json") }

func (r *Rescue) keep(k kept) error {
	raw, err := json.Marshal(k)
	if err != nil {
		return err
	}
	if err := os.WriteFile(r.file()+".new", raw, 0o600); err != nil {
		return err
	}
	return os.Rename(r.file()+".new", r.file())
}

// parseKeys reads lines of authorized_keys. Options of a line, which restrict its key, are not kept: so such a line is refused.
func parseKeys(lines []string) (map[string]bool, error) {
	if len(lines) == 0 || len(lines) > maxKeys {
		return nil, fmt.Errorf("%d SSH keys; 1 to %d are taken", len(lines), maxKeys)
	}
	keys := map[string]bool{}
	for i, line := range lines {
		key, _, options, _, err := ssh.ParseAuthorizedKey([]byte(line))
		if err != nil || len(options) > 0 {
			return nil, fmt.Errorf("SSH key %d is not one line of type, key and comment", i+1)
		}
		keys[string(key.Marshal())] = true
	}
	return keys, nil
}
