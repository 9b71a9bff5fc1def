package power

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/steelyard/steelyard/controller/core/outofband"
	"github.com/steelyard/steelyard/controller/outofband/power/rmcp/rmcptest"
	"github.com/steelyard/steelyard/pkg/bmc"
	"github.com/steelyard/steelyard/pkg/fault"
)

// A controller that keeps all boot flags is asked for all of them.
func TestB34_BootFlagsAreReadBack(t *testing.T) {
	address, chassis := rmcptest.BMC(t, 17)
	c, err := Open(t.Context(), Target{Driver: outofband.DriverIPMI, Address: address, Username: rmcptest.Username, Password: rmcptest.Password})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, boot := range []Boot{
		{Device: BootNetwork, Once: true},
		{Device: BootNetwork, Once: true, Mode: ModeUEFI},
		{Device: BootDisk, Mode: ModeBIOS},
		{Device: BootDisk, Mode: ModeUEFI},
	} {
		if err := c.NextBoot(t.Context(), boot); err != nil {
			t.Fatalf("%+v: %v", boot, err)
		}
		f, err := chassis.GetBootFlags(t.Context())
		if err != nil || f == nil || f.Persist == boot.Once || bool(f.BIOSBootType) != (boot.Mode == ModeUEFI) || !f.BootFlagsValid {
			t.Errorf("%+v: %+v", boot, f)
		}
	}
	if err := c.NextBoot(t.Context(), Boot{Device: "floppy"}); !fault.Is(err, fault.KindInvalid) {
		t.Error(err)
	}
}

func TestB34_FlagsThatWereNotKeptAreNoticed(t *testing.T) {
	once := Boot{Device: BootNetwork, Once: true}
	uefi := Boot{Device: BootNetwork, Once: true, Mode: ModeUEFI}
	for name, tt := range map[string]struct {
		boot          Boot
		flags, device byte
		says          string
	}{
		"kept":                     {once, flagsValid, devicePXE, ""},
		"kept, bit valid not told": {once, 0, devicePXE, ""},
		"another device":           {once, flagsValid, deviceDisk, "reports another one"},
		"for good":                 {once, flagsValid | flagsPersistent, devicePXE, "for good"},
		"mode lost":                {uefi, flagsValid, devicePXE, "boot mode uefi"},
		"mode kept":                {uefi, flagsValid | flagsUEFI, devicePXE, ""},
	} {
		err := tt.boot.kept(tt.flags, tt.device)
		if (err != nil) != (tt.says != "") || err != nil && !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A controller that has only weak suites is refused by name, unless they are allowed for it.
func TestX9_WeakSuitesAreAllowedPerServerOnly(t *testing.T) {
	address, _ := rmcptest.BMC(t, 2)
	target := Target{Driver: outofband.DriverIPMI, Address: address, Username: rmcptest.Username, Password: rmcptest.Password}
	if _, err := Open(t.Context(), target); !fault.Is(err, fault.KindRefused) || !strings.Contains(err.Error(), "allow weak suites for this server") {
		t.Fatal(err)
	}
	target.AllowWeak = true
	c, err := Open(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if s, err := c.Status(t.Context()); s != outofband.Off || err != nil {
		t.Fatal(s, err)
	}
}

func TestUUIDIsReadInTheOrderThatMakesOne(t *testing.T) {
	const want = "4c454453-5941-4a04-8000-000000000042"
	for name, raw := range map[string]string{
		"as written":    "4c45445359414a04" + "8000000000000042",
		"as SMBIOS":     "5344454c4159044a" + "8000000000000042",
		"turned around": "4200000000000080" + "044a4159" + "5344454c",
	} {
		data, err := hex.DecodeString(raw)
		if err != nil {
			t.Fatal(err)
		}
		if got := uuid(data); got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
	if uuid([]byte{1}) != "" {
		t.Error("a UUID out of one byte")
	}
}

// Whatever a controller's records hold, they end as an error or as short printable text.
func FuzzRecords(f *testing.F) {
	f.Add([]byte{1, 0, 0, 0, 1, 0, 0, 0xfe, 1, 2, 25, 0xc3, 'a', 'b', 'c', 0xc1, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Add([]byte{1, 0, 2, 0x10, 0x20, 0x30, 0x5c, 0x20, 0, 4, 1, 0x6f, 0xa1, 2, 3, 0x80})
	f.Fuzz(func(t *testing.T, data []byte) {
		var seen outofband.Chassis
		_ = bmc.Guard("fru", func() error { return identify(data, &seen) })
		for _, s := range []string{seen.Manufacturer, seen.Model, seen.Serial} {
			if len(s) > 200 || strings.ContainsAny(s, "\x00\n\x1b") {
				t.Fatalf("%q", s)
			}
		}
		_ = bmc.Guard("event", func() error {
			e, err := readEvent(data)
			if len(e.text) > 200 {
				t.Fatalf("%q", e.text)
			}
			return err
		})
		_ = uuid(data)
	})
}
