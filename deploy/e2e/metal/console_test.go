package metal

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/steelyard/steelyard/agent/shell"
	"github.com/steelyard/steelyard/controller/outofband/power/machine"
	"github.com/steelyard/steelyard/deploy/e2e/metal/qemu"
	"github.com/steelyard/steelyard/deploy/e2e/metal/rack"
)

// terminal is a program of an operator on a terminal, as a person would sit before it.
type terminal struct {
	t    *testing.T
	on   *shell.Shell
	seen strings.Builder
}

// sit starts one of the operator's commands on a terminal.
func (c *controller) sit(args ...string) *terminal {
	c.t.Helper()
	dir, err := bin()
	if err != nil {
		c.t.Fatal(err)
	}
	program := c.rack.Command(filepath.Join(dir, "steelyard"), args...)
	on, err := shell.Open(append([]string{program.Path}, program.Args[1:]...), []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + c.t.TempDir(), "TERM=xterm",
		"STEELYARD_URL=https://127.0.0.1:8080", "STEELYARD_TOKEN=" + c.token, "STEELYARD_CA=" + between(c.out.String(), "authority: ", ")"),
	}, "/", 40, 132)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = on.Close() })
	return &terminal{t: c.t, on: on}
}

// until reads the terminal until it shows a text.
func (t *terminal) until(text string) {
	t.t.Helper()
	buf := make([]byte, 4<<10)
	for !strings.Contains(t.seen.String(), text) {
		n, err := t.on.Read(buf)
		t.seen.Write(buf[:n])
		if err != nil {
			t.t.Fatalf("%v before %q was shown, after %q", err, text, t.seen.String())
		}
	}
}

func (t *terminal) types(text string) {
	t.t.Helper()
	if _, err := t.on.Write([]byte(text)); err != nil {
		t.t.Fatal(err)
	}
}

// consoles are the lines of the audit log about consoles of a server, oldest first.
func (c *controller) consoles(server string) (lines []string) {
	c.t.Helper()
	var list struct {
		Items []struct{ Action, Reason, Object string }
	}
	c.must("GET", "/v1/audit?all=true", nil, &list)
	for _, i := range list.Items {
		if i.Object == "servers/"+server && strings.HasPrefix(i.Action, "console.") {
			lines = append(lines, i.Action+": "+i.Reason)
		}
	}
	return lines
}

// TestX8_AnOperatorHasAnAuditedShellInTheRAMEnvironment: a machine that the controller has booted over the network is looked at with the
// operator's own command. It also proves that the environment tells its progress on the serial port and on the screen.
func TestX8_AnOperatorHasAnAuditedShellInTheRAMEnvironment(t *testing.T) {
	qemu.Need(t, "busybox", "ipmi_sim")
	ram := environment(t)
	r := rack.New(t)
	h := &house{controller: newController(t, r,
		"--netboot", rack.Bridge+"=dhcp:10.77.0.100-10.77.0.200", "--netboot-http", rack.Address+":8081", "--ramenv", ram)}
	s := newServer(t, r, 7, qemu.Machine{
		Memory: 768, Identity: qemu.Identity{Manufacturer: "ACME", Product: "P1", Serial: "SN-console", UUID: "11111111-2222-3333-4444-555555555570"},
	})
	s.Start(machine.Network)
	k := h.find(s.Name)
	if status, text := h.try("GET", "/v1/servers/"+k.ID+"/console?reason=x", nil, nil); status != 426 && status != 409 {
		t.Errorf("a console of a pending machine: %d %s", status, text)
	}
	h.must("POST", "/v1/servers/"+k.ID+"/approve", object{"reason": "delivered today"}, nil)

	console := h.sit("server", "console", s.Name, "--reason", "no link on eth1")
	console.until("# ")
	console.types("cat /proc/cpuinfo | head -1; stty size; echo done-$((6*7))\r")
	console.until("done-42")
	console.types("tr -s ' ' </dev/vcs1\r") // what a person sees who stands before the machine
	console.until("Connected to controller " + agents)
	console.types("exit 3\r")
	console.until("The console is over: the shell ended with status 3.")
	if status := console.on.Wait(); status != 0 {
		t.Errorf("the command ended with status %d", status)
	}
	if text := console.seen.String(); !strings.Contains(text, "processor\t: 0") || !strings.Contains(text, "40 132") {
		t.Errorf("the console showed %q", text)
	}
	eventually(t, "the audit log has both ends", func() bool { return len(h.consoles(k.ID)) == 2 })
	for _, line := range h.consoles(k.ID) {
		if line != "console.open: no link on eth1" && line != "console.close: no link on eth1" {
			t.Errorf("the audit log has %q", line)
		}
	}
	for _, part := range []string{"Steelyard RAM environment", "serial number SN-console", "Connected to controller " + agents} {
		if !strings.Contains(s.screen(), part) {
			t.Errorf("the serial port does not tell %q", part)
		}
	}
}
