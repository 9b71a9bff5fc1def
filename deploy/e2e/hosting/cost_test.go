//go:build bench

package hosting

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/steelyard/steelyard/agent/hosting/hostingtest"
	"github.com/steelyard/steelyard/agent/hosting/part"
	"github.com/steelyard/steelyard/protocol"
)

// cost is what `make bench HOSTING` tells: seconds.
type cost struct {
	Accounts     int
	First, Again used // a look at all accounts, none of which changed: after a start of the agent, and later
	Few, Many    map[string]float64
	Daemons      map[string]float64 // processor time of daemons for the change, with all accounts
	Made         float64
}

// used is processor time.
type used struct{ Agent, Daemons, Wall float64 }

const fewAccounts = 500

// TestCostOfANode measures a whole node in one run. STEELYARD_ACCOUNTS says how many accounts it has.
func TestCostOfANode(t *testing.T) {
	if hostingtest.AloneFor(t, 25*time.Minute) {
		return
	}
	many := 5000
	if n, err := strconv.Atoi(os.Getenv("STEELYARD_ACCOUNTS")); err == nil {
		many = n
	}
	w := &world{t: t, data: t.TempDir()}
	c := cost{Accounts: many, Few: map[string]float64{}, Many: map[string]float64{}, Daemons: map[string]float64{}}
	w.daemons()
	parts := newParts(t)
	n := begin(t, w.data, parts)
	n.until("the maps of mail", exists("/etc/steelyard-hosting/mail/maps/boxes.lmdb"))
	n.end()
	w.mail()
	n = begin(t, w.data, parts)

	begun := time.Now()
	var all []*protocol.HostedAccount
	for i := range many {
		all = append(all, document(i))
	}
	few := min(fewAccounts, many/2)
	n.set(all[:few]...)
	for i, change := range changes {
		c.Few[change.name] = n.change(all[i], change.make)
	}
	n.set(all[few:]...)
	c.Made = time.Since(begun).Seconds()
	for i, change := range changes {
		before := daemons(t)
		c.Many[change.name] = n.change(all[len(changes)+i], change.make)
		c.Daemons[change.name] = daemons(t) - before
	}
	n.end()
	c.First = start(t, w.data, many)
	c.Again = again(t, w.data, parts, many)
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("\nCOST %s\n", text)
}

// start is a look at all accounts after a start of the agent: its documents are read too, and the parts know nothing.
func start(t *testing.T, dir string, accounts int) used {
	return look(t, func() *carrier { return begin(t, dir, newParts(t)) }, accounts)
}

// again is a look with parts that have seen all accounts before, as an agent does every hour.
func again(t *testing.T, dir string, parts []part.Part, accounts int) used {
	n := open(t, dir, parts)
	return look(t, func() *carrier { n.run(); return n }, accounts)
}

func look(t *testing.T, begun func() *carrier, accounts int) used {
	own, others, at := processor(), daemons(t), time.Now()
	n := begun()
	n.await(accounts)
	u := used{Agent: processor() - own, Wall: time.Since(at).Seconds()}
	n.end()
	u.Daemons = daemons(t) - others
	return u
}

// processor is the time that this process and what it ran used so far.
func processor() (seconds float64) {
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		_ = syscall.Getrusage(who, &u)
		seconds += time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
	}
	return seconds
}

// daemons is the time that all other processes of the world used so far, with those of theirs that ended. What this process ran and has waited for is not in it.
func daemons(t *testing.T) (seconds float64) {
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if file == "/proc/1/stat" {
			continue
		}
		text, _ := os.ReadFile(file)
		_, rest, _ := strings.Cut(string(text), ") ")
		fields := strings.Fields(rest)
		for i := 11; i < 15 && i < len(fields); i++ { // its own, and that of children that ended
			ticks, _ := strconv.Atoi(fields[i])
			seconds += float64(ticks) / 100
		}
	}
	return seconds
}
