package mail

import (
	"fmt"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/steelyard/steelyard/agent/hosting/part"
	"github.com/steelyard/steelyard/protocol"
)

// BenchmarkEnsure shows what an account with three mailboxes costs among 5,000: unchanged in a pass over all of them, and changed alone with the change of the maps.
func BenchmarkEnsure(b *testing.B) {
	if _, err := os.Stat("/dev/shm"); err == nil {
		b.Setenv("TMPDIR", "/dev/shm") // some ten thousand files are synced; a disk's time is not what is measured
	}
	n := files(b)
	var all []*part.Account
	for i := range 5000 {
		domain := fmt.Sprintf("d%d.test", i)
		a := hosted(b, fmt.Sprintf("user%d", i), domain)
		a.Mailboxes = append(a.Mailboxes, protocol.HostedMailbox{Address: "third@" + domain, Password: a.Mailboxes[0].Password})
		all = append(all, a)
	}
	begin := processor()
	n.ensure(all...)
	b.Logf("made 5,000 accounts with %v of processor time", processor()-begin)
	b.Run("unchanged", func(b *testing.B) {
		before := processor()
		for b.Loop() {
			n.ensure(all...)
		}
		b.ReportMetric(float64((processor()-before).Nanoseconds())/float64(b.N*len(all)), "cpu-ns/account")
	})
	b.Run("changed", func(b *testing.B) {
		for b.Loop() {
			a := all[b.N%len(all)]
			if a.State == protocol.HostedPresent {
				a.State = protocol.HostedSuspended
			} else {
				a.State = protocol.HostedPresent
			}
			n.ensure(a)
		}
	})
}

// processor is the time that this process and what it ran used so far.
func processor() time.Duration {
	var sum time.Duration
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		_ = syscall.Getrusage(who, &u)
		sum += time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	return sum
}
