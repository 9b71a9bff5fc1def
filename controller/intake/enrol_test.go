package intake

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"log/slog"
	"strconv"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/authority"
	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/controller/store/kv"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/protocol"
)

// gate is an intake over an empty store with two join tokens, one that approves and one that may be used once.
type gate struct {
	*Intake
	t      *testing.T
	issued int
}

const (
	approving = "tok-0000000000000001.sesame"
	manual    = "tok-0000000000000002.sesame"
	once      = "tok-0000000000000003.sesame"
)

func openGate(t *testing.T) *gate {
	t.Helper()
	return openGateOver(t, newState(t))
}

func openGateOver(t *testing.T, backend kv.KV) *gate {
	t.Helper()
	s := store.New(backend, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done; _ = backend.Close() })
	if err := s.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	g := &gate{Intake: New(s, slog.New(slog.DiscardHandler), time.Now), t: t}
	sum := sha256.Sum256([]byte("sesame"))
	token := func(text string, auto bool, uses int) access.Token {
		return access.Token{ID: text[:20], Kind: access.TokenJoin, Digest: hex.EncodeToString(sum[:]), AutoApprove: auto, MaxUses: uses}
	}
	g.commit(func(tx *store.Tx) error {
		return cmp.Or(store.Tokens.Put(tx, approving[:20], token(approving, true, 0)), store.Tokens.Put(tx, manual[:20], token(manual, false, 0)),
			store.Tokens.Put(tx, once[:20], token(once, true, 1)))
	})
	return g
}

func (g *gate) commit(f func(tx *store.Tx) error) {
	g.t.Helper()
	if err := g.change(context.Background(), f); err != nil {
		g.t.Fatal(err)
	}
}

// request is what an agent with a new key sends.
func request(t *testing.T, token, instance, environment string) protocol.EnrolRequest {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		t.Fatal(err)
	}
	inv := hardware.Inventory{Schema: 1, Identity: hardware.Identity{UUID: "4c4c4544", SystemSerial: "SN1"}}
	inv.Disks = []hardware.Disk{{Name: "sda", Type: hardware.DiskSATA, Serial: "D1", SizeBytes: 480e9}}
	return protocol.EnrolRequest{Token: token, CSR: csr, InstanceID: instance, Environment: environment, Inventory: inv}
}

func (g *gate) enrol(req protocol.EnrolRequest) (fleet.Server, error) {
	g.t.Helper()
	reply, err := g.Enrol(context.Background(), "192.0.2.1", req, func(string) (authority.Issued, error) {
		g.issued++
		return authority.Issued{Serial: strconv.Itoa(g.issued)}, nil
	})
	if err != nil {
		return fleet.Server{}, err
	}
	var s fleet.Server
	g.commit(func(tx *store.Tx) (err error) {
		s, err = store.Servers.Get(tx, reply.ServerID)
		return err
	})
	return s, nil
}

func (g *gate) must(req protocol.EnrolRequest) fleet.Server {
	g.t.Helper()
	s, err := g.enrol(req)
	if err != nil {
		g.t.Fatal(err)
	}
	return s
}

// TestX1_AnInstanceWithoutItsKeyIsAStranger: every list of servers shows the instance, and whoever also has a join
// token would otherwise take an approved server's place.
func TestX1_AnInstanceWithoutItsKeyIsAStranger(t *testing.T) {
	g := openGate(t)
	first := request(t, approving, "ins-1", protocol.EnvRAM)
	s := g.must(first)
	if again := g.must(first); again.ID != s.ID || again.Approval != fleet.Approved {
		t.Fatalf("the same request again: %+v", again)
	}
	forged := g.must(request(t, manual, "ins-1", protocol.EnvRAM))
	if forged.ID != s.ID || forged.Approval != fleet.Pending {
		t.Errorf("server %s is %s after somebody else came as its instance", forged.ID, forged.Approval)
	}
	if _, err := g.enrol(request(t, once, "ins-1", protocol.EnvRAM)); err != nil {
		t.Fatal(err)
	}
	if _, err := g.enrol(request(t, once, "ins-1", protocol.EnvRAM)); !fault.Is(err, fault.KindDenied) {
		t.Errorf("a token used twice: %v", err)
	}
}

// TestB45_AnotherEnvironmentMeansOtherDisks: loop files were proven empty, or an installed system was only measured; then
// the machine comes back from the RAM environment.
func TestB45_AnotherEnvironmentMeansOtherDisks(t *testing.T) {
	for _, was := range []string{protocol.EnvSandbox, protocol.EnvInstalled} {
		g := openGate(t)
		s := g.must(request(t, manual, "ins-1", was))
		g.commit(func(tx *store.Tx) error {
			s.Approval, s.InService, s.Cleanliness = fleet.Approved, true, fleet.Clean
			return store.Servers.Put(tx, s.ID, s)
		})
		if same := g.must(request(t, manual, "ins-2", was)); same.ID != s.ID || same.Cleanliness != fleet.Clean || !same.InService {
			t.Errorf("%s, installed anew: %+v", was, same)
		}
		got := g.must(request(t, manual, "ins-3", protocol.EnvRAM))
		if got.ID != s.ID || got.Cleanliness != fleet.Dirty || got.InService || got.Approval != fleet.Pending {
			t.Errorf("from %s to ram: %s, in service %v, %s", was, got.Cleanliness, got.InService, got.Approval)
		}
	}
}
