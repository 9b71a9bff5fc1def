package hosting

import (
	"strings"
	"testing"

	"github.com/steelyard/steelyard/agent/hosting/hostingtest"
)

// TestC9_C14_X10_ANodeWithSystemdServesItsCustomer is the walk on a system that systemd started, with Debian's own units; the agent, a unit too, is killed in the middle of a change.
func TestC9_C14_X10_ANodeWithSystemdServesItsCustomer(t *testing.T) {
	if hostingtest.Booted(t) {
		return
	}
	w := newWorld(t)
	w.walk(func(c *customer) {
		for _, name := range []string{"box0", "box1"} { // at moments that nobody chose
			said := strings.TrimSpace(c.cli("account", "add-mailbox", c.domain, "--address", name))
			w.run("systemctl", "kill", "--signal=KILL", "steelyard-agent")
			c.cli("account", "watch", c.domain, "--timeout", "60s")
			if out, err := c.curl(name+"@"+c.domain+":"+said, "pop3://127.0.0.1/"); err != nil {
				t.Errorf("after the kill %s answers %q: %v", name, out, err)
			}
		}
		if n := strings.TrimSpace(w.run("systemctl", "show", "--value", "--property=NRestarts", "steelyard-agent")); n != "2" {
			t.Errorf("systemd started the agent %s times again", n)
		}
		for _, unit := range []string{"nginx", "php8.2-fpm", "proftpd", "postfix", "dovecot", "mariadb", "ssh"} {
			if n := strings.TrimSpace(w.run("systemctl", "show", "--value", "--property=NRestarts,ActiveState", unit)); n != "0\nactive" && n != "active\n0" {
				t.Errorf("%s is %q", unit, n)
			}
		}
	})
}
