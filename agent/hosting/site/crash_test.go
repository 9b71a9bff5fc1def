package site

import (
	"maps"
	"strings"
	"testing"

	"github.com/steelyard/steelyard/agent/hosting/hostingtest"
)

// written is what of the node does not change from reload to reload.
func (n *node) written() map[string]string {
	all := hostingtest.Picture(n.t, n.dir)
	maps.DeleteFunc(all, func(name, _ string) bool {
		return strings.Contains(name, "generation") || strings.HasPrefix(name, "nginx-") || strings.HasPrefix(name, "php-fpm.log") || strings.HasSuffix(name, ".log")
	})
	return all
}

func TestAnyCrashAndARepetitionEndInTheSameState(t *testing.T) {
	n := newNode(t, true)
	a, b := n.account("alice", 61001, "example.de"), n.account("bob", 61002, "bob.de")
	a.PHP = true
	n.settle(b)
	without := n.written()
	n.settle(a)
	n.put(a, "htdocs/index.html", "hello of alice")
	n.put(a, "htdocs/who.php", who)
	with := n.written()
	remove := func() {
		if left, err := n.part.Remove(t.Context(), a); err != nil || left != nil {
			t.Fatal(left, err)
		}
		n.settle()
	}
	for step, over := 1, false; !over && step < 100; step++ {
		gone := !hostingtest.Stopped(step, remove)
		n.part = New(n.o)
		remove()
		n.must("example.de", "/", 404, "")
		n.must("bob.de", "/", 200, "new")

		there := !hostingtest.Stopped(step, func() { n.settle(a) })
		n.part = New(n.o)
		n.settle(a)
		n.must("example.de", "/index.html", 200, "hello of alice")
		n.must("example.de", "/who.php", 200, "uid 61001")
		hostingtest.Same(t, with, n.written())
		if t.Failed() {
			t.Fatalf("after a stop at step %d", step)
		}
		over = gone && there
		t.Logf("step %d: removal over %v, making over %v", step, gone, there)
	}
	remove()
	for name := range without {
		if strings.HasPrefix(name, "homes") {
			delete(without, name)
		}
	}
	now := n.written()
	maps.DeleteFunc(now, func(name, _ string) bool { return strings.HasPrefix(name, "homes") })
	hostingtest.Same(t, without, now)
}

// A daemon that ended with old files comes back with the new ones, and the agent knows.
func TestWhatADaemonDidNotHearIsSettledLater(t *testing.T) {
	n := newNode(t, true)
	a, b := n.account("alice", 61001, "example.de"), n.account("bob", 61002, "bob.de")
	a.PHP = true
	n.php.Kill()
	err := n.try(a, b)
	if err == nil || !strings.Contains(err.Error(), "id-alice") || strings.Contains(err.Error(), "id-bob") || !strings.Contains(err.Error(), "systemctl start php") {
		t.Errorf("without PHP: %v", err)
	}
	n.must("bob.de", "/", 200, "new")
	n.part = New(n.o)
	n.runPHP()
	n.settle(a)
	n.put(a, "htdocs/who.php", who)
	n.must("example.de", "/who.php", 200, "uid 61001")

	n.nx.Kill()
	a.Domain = "example.com"
	if err := n.try(a); err == nil || !strings.Contains(err.Error(), "systemctl start nginx") {
		t.Errorf("without nginx: %v", err)
	}
	n.part = New(n.o)
	n.startNginx()
	n.settle(a)
	n.must("example.com", "/who.php", 200, "uid 61001")
	n.must("example.de", "/", 404, "")
}
