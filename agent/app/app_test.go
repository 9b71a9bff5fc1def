package app

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/steelyard/steelyard/agent/driver/linux"
	"github.com/steelyard/steelyard/agent/journal"
	"github.com/steelyard/steelyard/agent/link"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/protocol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func options(t *testing.T) Options {
	return Options{
		Controllers: []string{"127.0.0.1:1"}, State: filepath.Join(t.TempDir(), "state"), Environment: protocol.EnvSandbox,
		Join:   "syj1.tok-1.secret." + strings.Repeat("ab", 32),
		Logger: slog.New(slog.DiscardHandler),
	}
}

func TestX13_EverythingWrongIsToldAtOnce(t *testing.T) {
	err := Run(context.Background(), Options{Environment: "attic", Logger: slog.New(slog.DiscardHandler)})
	for _, name := range []string{"controller", "state", "environment"} {
		if !fault.Is(err, fault.KindInvalid) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s is not told: %v", name, err)
		}
	}
	o := options(t)
	o.Environment, o.SandboxDisks = protocol.EnvInstalled, []string{"x"}
	if err := Run(context.Background(), o); !fault.Is(err, fault.KindInvalid) {
		t.Errorf("sandbox disks on an installed system: %v", err)
	}
}

func TestAnAgentWithoutControllerWaitsAndStopsCleanly(t *testing.T) {
	o := options(t)
	o.SandboxDisks = []string{filepath.Join(o.State, "disks", "0.img:8MiB")}
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	if err := Run(ctx, o); err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(filepath.Join(o.State, "disks", "0.img")); err != nil || st.Size() != 8<<20 {
		t.Errorf("the sandbox disk: %v %v", st, err)
	}
	if st, err := os.Stat(filepath.Join(o.State, "journal")); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("the journal: %v %v", st, err)
	}
	if _, ok, err := link.Dir(o.State).Load(); !ok || err != nil {
		t.Errorf("the identity: %v %v", ok, err)
	}
}

func TestTwoAgentsDoNotShareAState(t *testing.T) {
	o := options(t)
	if err := os.MkdirAll(o.State, 0o700); err != nil {
		t.Fatal(err)
	}
	j, err := journal.Open(filepath.Join(o.State, "journal"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = j.Close() }()
	if err := Run(context.Background(), o); !fault.Is(err, fault.KindConflict) {
		t.Errorf("a second agent: %v", err)
	}
}

func TestB44_TheSandboxIsReportedBesideTheRealMachine(t *testing.T) {
	o := options(t)
	o.SandboxDisks = []string{filepath.Join(t.TempDir(), "a:8MiB"), filepath.Join(t.TempDir(), "b:16MiB")}
	disks, err := sandbox(o)
	if err != nil {
		t.Fatal(err)
	}
	s, err := newSource(disks, linux.NewSwitch(o.Environment))
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	inv := s.Inventory(t.Context())
	var found []hardware.Disk
	for _, d := range inv.Disks {
		if strings.HasPrefix(d.Serial, "sandbox-") {
			found = append(found, d)
		}
	}
	if len(found) != 2 || found[1].SizeBytes != 16<<20 || found[1].Type != hardware.DiskVirtual || inv.OS.Kernel == "" {
		text, _ := json.Marshal(inv)
		t.Errorf("%s", text)
	}
	if linux.NewSwitch(o.Environment) != nil {
		t.Error("a sandbox is given the switch of the machine that it shares")
	}
	list, err := s.machine.List(t.Context())
	if err != nil || len(list) != 2 {
		t.Errorf("targets %v %v", list, err)
	}
}
