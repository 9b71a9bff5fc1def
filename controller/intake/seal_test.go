package intake

import (
	"context"
	"crypto/sha256"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/seal"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
)

type testAuthority struct{}

func (testAuthority) Derive(label string, n int) ([]byte, error) {
	sum := sha256.Sum256([]byte(label))
	return sum[:n], nil
}

func TestX8_ARotationIsAuditedFromBeginningToEndWithoutKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := openGate(t)
		ring, err := seal.Open(g.store, testAuthority{})
		if err != nil {
			t.Fatal(err)
		}
		g.SetRing(ring)
		ann := access.Actor{Name: "ann", Role: access.RoleAdmin}
		for range 3 { // the first makes a key, the second begins a rotation, the third changes nothing
			if _, err := g.RotateSecrets(t.Context(), ann); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = g.RunRotation(ctx) })
		time.Sleep(time.Minute)
		cancel()
		running.Wait()
		var lines []string
		for i := range store.Audit.Items(g.store.Snapshot()) {
			l := i.Value
			lines = append(lines, l.Actor.Name+" "+l.Action)
			if text := string(l.Before) + string(l.After); strings.Contains(text, "wrapped") || !strings.HasPrefix(l.Object, "seal-keys/key-") {
				t.Errorf("%s tells %s of %s", l.Action, text, l.Object)
			}
		}
		want := "ann secret.rotate, ann secret.rotate, steelyard secret.key_remove"
		if keys, err := g.SecretKeys(); strings.Join(lines, ", ") != want || err != nil || len(keys) != 1 || g.ring.Rotating() {
			t.Errorf("audited was %v; the keys are %+v, %v", lines, keys, err)
		}
	})
}

func TestX9_WithoutAnAuthorityNoSecretIsTaken(t *testing.T) {
	g := openGate(t)
	_, err := g.RotateSecrets(t.Context(), access.System)
	if _, list := g.SecretKeys(); !fault.Is(err, fault.KindUnavailable) || !fault.Is(list, fault.KindUnavailable) {
		t.Errorf("rotate: %v, list: %v", err, list)
	}
	_, _, err = g.CreateSwitch(t.Context(), access.System, SwitchDraft{Name: "x"})
	if !fault.Is(err, fault.KindInvalid) {
		t.Errorf("a wrong switch: %v", err)
	}
}
