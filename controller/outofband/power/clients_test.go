package power_test

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/core/outofband"
	"github.com/steelyard/steelyard/controller/outofband/power"
	"github.com/steelyard/steelyard/controller/outofband/power/machine"
	"github.com/steelyard/steelyard/controller/outofband/power/powertest"
)

// redfishtool runs the DMTF's client against the simulated service.
func redfishtool(t *testing.T, rig powertest.Rig, args ...string) string {
	t.Helper()
	path, err := exec.LookPath("redfishtool")
	needs(t, err == nil, "redfishtool")
	host := strings.TrimPrefix(rig.Target.Address, "https://")
	cmd := exec.CommandContext(t.Context(), path, append([]string{"-r", host, "-u", rig.Target.Username, "-p", rig.Target.Password, "-S", "Always"}, args...)...)
	cmd.Env = append(os.Environ(), "PYTHONWARNINGS=ignore")
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("redfishtool %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// waitFor asks our client, which another test compares with the truth.
func waitFor(t *testing.T, rig powertest.Rig, want string) {
	t.Helper()
	c := powertest.Open(t, t.Context(), rig.Target)
	for range 100 {
		got, err := c.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got == want {
			return
		}
		time.Sleep(20 * time.Millisecond) // the machine takes its time
	}
	t.Fatalf("never %s", want)
}

func TestB34_RedfishtoolWorksWithTheSimulator(t *testing.T) {
	rig, service := redfishService(t, nil)
	for _, tt := range []struct{ args, want string }{
		{"Systems", `"Members@odata.count": 1`},
		{"Systems -1", `"PowerState": "Off"`},
		{"Systems -I machine-1 -P SerialNumber", serial},
		{"Systems -I machine-1 setBootOverride Once Pxe", ""},
		{"Systems -I machine-1", `"BootSourceOverrideTarget": "Pxe"`},
		{"Systems -I machine-1 reset On", ""},
		{"Systems -I machine-1 Logs", `"Members`},
		{"Chassis", `"Members@odata.count": 1`},
		{"Chassis -I machine-1", `"ChassisType": "RackMount"`},
		{"Chassis -I machine-1 Thermal", `"ReadingCelsius"`},
		{"Chassis -I machine-1 Power", `"PowerConsumedWatts"`},
		{"Managers", `"Members@odata.count": 1`},
		{"Managers -I machine-1", `"FirmwareVersion": "1.02"`},
		{"Managers -I machine-1 EthernetInterfaces", `"Members`},
		{"SessionService", `"ServiceEnabled": true`},
		{"SessionService Sessions", `"Members`},
		{"-A Session Systems -1", `"SystemType": "Physical"`},
	} {
		if out := redfishtool(t, rig, strings.Fields(tt.args)...); !strings.Contains(out, tt.want) {
			t.Fatalf("redfishtool %s: no %s in\n%s", tt.args, tt.want, out)
		}
	}
	waitFor(t, rig, outofband.On)
	if got := rig.Machine.Boots(); len(got) != 1 || got[0] != machine.Network {
		t.Fatalf("booted from %v", got)
	}
	redfishtool(t, rig, "Systems", "-I", "machine-1", "reset", "ForceOff")
	waitFor(t, rig, outofband.Off)
	if n := service.Sessions(); n > 2 { // ours, that close with the test
		t.Errorf("%d sessions left", n)
	}
}

// pemFile holds the certificate that sushy trusts.
func pemFile(t *testing.T, cert *x509.Certificate) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// sushyScript is what OpenStack Ironic does with a machine, by its own library.
const sushyScript = `
import sys, warnings
warnings.filterwarnings("ignore")
import sushy
root = sushy.Sushy(sys.argv[1], username=sys.argv[2], password=sys.stdin.readline().strip())
system = root.get_system(sys.argv[3])
print(system.power_state, system.serial_number, system.uuid)
system.set_system_boot_options(sushy.BOOT_SOURCE_TARGET_PXE, enabled=sushy.BOOT_SOURCE_ENABLED_ONCE, mode=sushy.BOOT_SOURCE_MODE_UEFI)
system.refresh()
print(system.boot.enabled, system.boot.target, system.boot.mode)
print(sorted(v.value for v in system.get_allowed_reset_system_values()))
system.reset_system(sushy.RESET_ON)
print(len(root.get_system_collection().get_members()), root.get_chassis_collection().get_members()[0].chassis_type)
print(root.get_manager_collection().get_members()[0].firmware_version)
`

func TestB34_SushyWorksWithTheSimulator(t *testing.T) {
	const python = "/usr/bin/python3" // Debian's own, which has the package
	needs(t, exec.Command(python, "-c", "import sushy").Run() == nil, "python3-sushy")
	rig, _ := redfishService(t, nil)
	cmd := exec.CommandContext(t.Context(), python, "-c", sushyScript, rig.Target.Address, rig.Target.Username, "/redfish/v1/Systems/machine-1")
	cmd.Env = append(os.Environ(), "REQUESTS_CA_BUNDLE="+pemFile(t, certificateOf(t, rig.Target.Address)))
	cmd.Stdin = strings.NewReader(rig.Target.Password + "\n")
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("sushy: %v\n%s", err, out)
	}
	for _, want := range []string{"PowerState.OFF " + serial, "BootSourceOverrideEnabled.ONCE BootSource.PXE BootSourceOverrideMode.UEFI", "'ForceOff'", "1 ChassisType.RACK_MOUNT", "1.02"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	waitFor(t, rig, outofband.On)
	if got := rig.Machine.Boots(); len(got) != 1 || got[0] != machine.Network {
		t.Fatalf("booted from %v", got)
	}
	c := powertest.Open(t, t.Context(), rig.Target)
	if changed, err := power.TurnOff(t.Context(), c, false, 10*time.Second, func(string) {}); err != nil || !changed {
		t.Fatal(changed, err)
	}
}
