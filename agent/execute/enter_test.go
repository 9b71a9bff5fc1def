package execute

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/steelyard/steelyard/agent/driver"
	"github.com/steelyard/steelyard/agent/driver/fake"
	"github.com/steelyard/steelyard/agent/journal"
	"github.com/steelyard/steelyard/agent/link"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// entrance is a controller that has a RAM environment.
type entrance struct {
	files map[string]string // by digest
	err   error
	asked int
}

func newEntrance() *entrance {
	e := &entrance{files: map[string]string{}}
	for _, text := range []string{"kernel", "memory"} {
		e.files[digest(text)] = text
	}
	return e
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func (e *entrance) Enter(context.Context) (link.Entrance, error) {
	e.asked++
	return link.Entrance{
		Entry: protocol.Entry{
			Kernel: protocol.EntryFile{SHA256: digest("kernel"), Bytes: 6}, Memory: protocol.EntryFile{SHA256: digest("memory"), Bytes: 6},
			Arguments: []string{"quiet", "steelyard.token=t"},
		},
		Controller: "10.0.0.1:8443", Local: netip.MustParseAddr("10.0.0.7"),
	}, e.err
}

func (e *entrance) Controllers() []string { return []string{"one.example:8443", "10.0.0.1:8443"} }

func (e *entrance) Fetch(_ context.Context, sha string, offset uint64) (io.ReadCloser, uint64, error) {
	text, ok := e.files[sha]
	if !ok {
		return nil, 0, fault.NotFound("no such file")
	}
	return io.NopCloser(strings.NewReader(text[offset:])), uint64(len(text)) - offset, nil
}

// both is a machine with every way into the RAM environment.
type both struct {
	*fake.Jumper
	firmware error
}

func (b *both) FromNetwork(context.Context) (string, error) { return "by entry 0004", b.firmware }

var card = driver.Uplink{MAC: "52:54:00:00:00:01", Address: netip.MustParsePrefix("10.0.0.7/24"), Gateway: netip.MustParseAddr("10.0.0.254"), VLAN: 40}

// TestB34_TheMostCertainWayIntoTheRAMEnvironmentIsGone; each is followed by the next when there is none.
func TestB34_TheMostCertainWayIntoTheRAMEnvironmentIsGone(t *testing.T) {
	const kexec = "kexec kernel memory quiet steelyard.token=t steelyard.controller=10.0.0.1:8443,one.example:8443 " +
		"steelyard.mac=52:54:00:00:00:01 steelyard.address=10.0.0.7/24 steelyard.gateway=10.0.0.254 steelyard.vlan=40"
	no := fault.Refused("no entry")
	for name, c := range map[string]struct {
		known         bool // the firmware has started from the network before
		firmware      error
		takes, offers error
		torn          bool // what is fetched is not what was announced
		stuck         bool // the jump itself fails
		environment   string
		want          string
		says          []string
		asked         int
	}{
		"kexec":                         {want: kexec, says: []string{"by kexec"}, asked: 1},
		"a firmware that did it before": {known: true, want: "reboot", says: []string{"entry 0004"}},
		"one that cannot any more":      {known: true, firmware: no, want: kexec, says: []string{"by kexec", "no entry"}, asked: 1},
		"a kernel that is locked down":  {takes: errors.New("locked down"), want: "reboot", says: []string{"entry 0004", "locked down"}, asked: 1},
		"neither":                       {takes: errors.New("locked down"), firmware: no, want: "reboot", says: []string{"own boot order", "locked down", "no entry"}, asked: 1},
		"no RAM environment":            {offers: fault.Unavailable("make ramenv"), want: "reboot", says: []string{"entry 0004", "make ramenv"}, asked: 1},
		"another kernel than announced": {torn: true, want: "reboot", says: []string{"entry 0004", "announced"}, asked: 1},
		"a jump that fails":             {stuck: true, want: "reboot", says: []string{"by kexec"}, asked: 1},
		"in the RAM environment":        {environment: protocol.EnvRAM, want: "reboot", says: []string{"entry 0004"}},
	} {
		synctest.Test(t, func(t *testing.T) {
			o := newOutlet()
			m := &both{&fake.Jumper{Machine: o.Machine, Card: card, Takes: c.takes}, c.firmware}
			m.Start = func(image, memory []byte, line string) error {
				if c.stuck {
					return errors.New("it does not end")
				}
				o.done = append(o.done, fmt.Sprintf("kexec %s %s %s", image, memory, line))
				return nil
			}
			from := newEntrance()
			from.err = c.offers
			if c.torn {
				from.files[digest("kernel")] = "kernal"
			}
			environment := protocol.EnvInstalled
			if c.environment != "" {
				environment = c.environment
			}
			e := New(journal.InMemory(), Deeds(environment, m, from), silent)
			e.Attach(welcome)
			defer e.Close()
			command := power(protocol.CommandReboot)
			command.Into, command.Firmware = protocol.IntoRAM, c.known
			e.Execute(command)
			res := result(t, e, "p")
			for _, text := range c.says {
				if !strings.Contains(res.Detail, text) {
					t.Errorf("%s: %q does not tell %q", name, res.Detail, text)
				}
			}
			if res.Fault != nil || len(o.done) != 0 || strings.Contains(res.Detail, "token") || from.asked != c.asked {
				t.Errorf("%s: before it was heard: %+v, %v, asked %d times", name, res, o.done, from.asked)
			}
			e.Acked("p")
			synctest.Wait()
			if !slices.Equal(o.done, []string{c.want}) {
				t.Errorf("%s:\n got %q\nwant %q", name, o.done, c.want)
			}
		})
	}
}

func TestB34_ACommandLineThatIsTooLongIsNotCut(t *testing.T) {
	d := deeds{protocol.EnvInstalled, &both{Jumper: &fake.Jumper{Card: card}}, long{newEntrance()}}
	if _, err := d.byKexec(t.Context(), &Job{signal: func() {}}); !fault.Is(err, fault.KindRefused) || !strings.Contains(err.Error(), "command line") {
		t.Error(err)
	}
}

// long has many controllers.
type long struct{ *entrance }

func (long) Controllers() (list []string) {
	for i := range 100 {
		list = append(list, fmt.Sprintf("controller-%d.example.net:8443", i))
	}
	return list
}
