package rmcp

import (
	"context"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bougou/go-ipmi/pkg/hal/mock"
	"github.com/bougou/go-ipmi/pkg/types"
	"go.uber.org/goleak"

	"github.com/steelyard/steelyard/controller/outofband/power/rmcp/rmcptest"
	"github.com/steelyard/steelyard/pkg/bmc"
	"github.com/steelyard/steelyard/pkg/fault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const netChassis, cmdStatus = 0x00, 0x01

func dial(t *testing.T, address string, suites []Suite) (*Session, error) {
	t.Helper()
	s, err := Dial(t.Context(), address, rmcptest.Username, rmcptest.Password, suites)
	if err == nil {
		t.Cleanup(func() { s.Close(context.Background()) })
	}
	return s, err
}

func powered(t *testing.T, s *Session) bool {
	t.Helper()
	out, err := s.Command(t.Context(), netChassis, cmdStatus)
	if err != nil || len(out) == 0 {
		t.Fatalf("status % x, %v", out, err)
	}
	return out[0]&1 == 1
}

func turn(t *testing.T, chassis *mock.Chassis, on bool) {
	t.Helper()
	if err := chassis.SetPower(t.Context(), on); err != nil {
		t.Fatal(err)
	}
}

// The best suite that both speak is used; a weak one only when it is asked for.
func TestX9_TheBestSuiteIsUsedAndNoWeakOneUnasked(t *testing.T) {
	both := slices.Concat(Strong, Weak)
	for name, tt := range map[string]struct {
		offered []types.CipherSuiteID
		asked   []Suite
		want    uint8
	}{
		"17 before 3":         {[]types.CipherSuiteID{3, 17}, Strong, 17},
		"only 3":              {[]types.CipherSuiteID{3}, Strong, 3},
		"strong before weak":  {[]types.CipherSuiteID{1, 2, 3}, both, 3},
		"2, allowed":          {[]types.CipherSuiteID{2}, both, 2},
		"1, allowed":          {[]types.CipherSuiteID{1}, both, 1},
		"16, allowed":         {[]types.CipherSuiteID{16}, both, 16},
		"15, allowed":         {[]types.CipherSuiteID{15}, both, 15},
		"2, not allowed":      {[]types.CipherSuiteID{2}, Strong, 0},
		"0, never":            {[]types.CipherSuiteID{0}, both, 0},
		"all weak, forbidden": {[]types.CipherSuiteID{0, 1, 2, 15, 16}, Strong, 0},
	} {
		t.Run(name, func(t *testing.T) {
			address, chassis := rmcptest.BMC(t, tt.offered...)
			turn(t, chassis, true)
			s, err := dial(t, address, tt.asked)
			if tt.want == 0 {
				if !NoSuite(err) {
					t.Fatalf("got %v", err)
				}
				return
			}
			if err != nil || s.Suite() != tt.want || !powered(t, s) {
				t.Fatalf("got %v", err)
			}
		})
	}
}

// Somebody on the way who makes the controller's answer name no algorithms at all gets no session.
func TestX9_AWeakenedAnswerIsRefused(t *testing.T) {
	upstream, _ := rmcptest.BMC(t, 17, 3)
	address := rmcptest.Relay(t, upstream, func(in []byte) [][]byte {
		if in[5] == payloadOpened && len(in) >= 52 {
			in[16+16], in[16+24], in[16+32] = 0, 0, 0 // authentication, integrity, confidentiality
		}
		return [][]byte{in}
	})
	if _, err := dial(t, address, Strong); !NoSuite(err) {
		t.Fatalf("got %v", err)
	}
}

// One who does not know the password cannot play the controller.
func TestX9_AFalseProofIsRefused(t *testing.T) {
	for _, kind := range []byte{payloadResponse, payloadConfirmed} {
		upstream, _ := rmcptest.BMC(t, 17)
		address := rmcptest.Relay(t, upstream, func(in []byte) [][]byte {
			if in[5] == kind {
				in[len(in)-1] ^= 1
			}
			return [][]byte{in}
		})
		if _, err := dial(t, address, Strong); !fault.Is(err, fault.KindRefused) {
			t.Fatalf("kind %#x: %v", kind, err)
		}
	}
}

// Forged, short, replayed and scrambled datagrams change nothing and end nothing.
func TestX9_ForgeriesAreDropped(t *testing.T) {
	upstream, chassis := rmcptest.BMC(t, 3)
	var before []byte
	address := rmcptest.Relay(t, upstream, func(in []byte) [][]byte {
		if in[5]&authenticated == 0 {
			return [][]byte{in}
		}
		plain := slices.Concat(in[:5], []byte{payloadIPMI}, in[6:14], []byte{9, 0}, request(netChassis+1, cmdStatus, 1, []byte{0, 1}))
		short := slices.Concat(in[:14], []byte{3, 0, 1, 2, 3})
		scrambled := slices.Clone(in)
		scrambled[len(scrambled)/2] ^= 0x40
		forged := [][]byte{{}, {6}, plain, short, scrambled, in[:len(in)-1], before, in}
		before = slices.Clone(in)
		return forged
	})
	s, err := dial(t, address, Strong)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 130 { // more than twice around the request numbers
		turn(t, chassis, i%2 == 0)
		if got := powered(t, s); got != (i%2 == 0) {
			t.Fatalf("request %d: power %v", i, got)
		}
	}
}

// A network that loses half of the answers is only slow.
func TestB42_LostAnswersAreAskedForAgain(t *testing.T) {
	upstream, chassis := rmcptest.BMC(t, 17)
	turn(t, chassis, true)
	n := 0
	address := rmcptest.Relay(t, upstream, func(in []byte) [][]byte {
		if n++; n%2 == 0 {
			return nil
		}
		return [][]byte{in}
	})
	fast := waits
	waits = []time.Duration{50 * time.Millisecond, 50 * time.Millisecond, time.Second, time.Second}
	t.Cleanup(func() { waits = fast })
	s, err := dial(t, address, Strong)
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if !powered(t, s) {
			t.Fatal("off")
		}
	}
}

// A controller that is away is unavailable when the context ends, not later.
func TestB42_SilenceEndsWithTheContext(t *testing.T) {
	quiet, err := net.ListenPacket("udp", "127.61.10.3:0")
	if err != nil {
		t.Fatal(err)
	}
	defer quiet.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err = Dial(ctx, quiet.LocalAddr().String(), "a", "b", Strong)
	if !fault.Is(err, fault.KindUnavailable) || !strings.Contains(err.Error(), "in time") || time.Since(start) > 900*time.Millisecond {
		t.Fatalf("after %s: %v", time.Since(start), err)
	}
	_ = quiet.Close()
	if _, err = Dial(t.Context(), quiet.LocalAddr().String(), "a", "b", Strong); !fault.Is(err, fault.KindUnavailable) || !strings.Contains(err.Error(), "nothing answers") {
		t.Fatalf("got %v", err)
	}
}

// A session that went away is unavailable, and the next one works.
func TestB42_AControllerThatGoesAwayIsUnavailable(t *testing.T) {
	upstream, chassis := rmcptest.BMC(t, 3)
	turn(t, chassis, true)
	away := make(chan struct{})
	address := rmcptest.Relay(t, upstream, func(in []byte) [][]byte {
		select {
		case <-away:
			return nil
		default:
			return [][]byte{in}
		}
	})
	s, err := Dial(t.Context(), address, rmcptest.Username, rmcptest.Password, Strong)
	if err != nil || !powered(t, s) {
		t.Fatal(err)
	}
	close(away)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := s.Command(ctx, netChassis, cmdStatus); !fault.Is(err, fault.KindUnavailable) {
		t.Fatal(err)
	}
	s.Close(ctx)
	again, err := dial(t, upstream, Strong)
	if err != nil || !powered(t, again) {
		t.Fatal(err)
	}
}

// What a command is answered with reaches the caller as it is.
func TestCompletionCodesReachTheCaller(t *testing.T) {
	address, _ := rmcptest.BMC(t, 3)
	s, err := dial(t, address, Strong)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Command(t.Context(), 0x2e, 0x01) // a function of another vendor
	answer, ok := err.(*bmc.Completion)
	if !ok || answer.Code == 0 || answer.NetFn != 0x2e {
		t.Fatalf("got %v", err)
	}
}

// No bytes from outside end the process, and none without the key are a message.
func FuzzOpen(f *testing.F) {
	k := &keys{suite: Strong[1], k1: make([]byte, 20), k2: make([]byte, 20), local: 7, remote: 7}
	good, err := k.seal(payloadIPMI, 1, request(netChassis+1, cmdStatus, 1, []byte{0, 1, 0, 0}))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:20])
	f.Add(rmcpHeader)
	other := &keys{suite: Strong[1], k1: []byte("another key, 20 byte"), k2: make([]byte, 20), local: 7}
	bare := &keys{suite: Weak[3], local: 7}
	f.Fuzz(func(t *testing.T, in []byte) {
		for _, k := range []*keys{k, bare, {}} {
			if payload, _, err := k.open(payloadIPMI, in); err == nil {
				_, _ = answer(netChassis, cmdStatus, 1, payload)
			}
		}
		if _, _, err := other.open(payloadIPMI, in); err == nil {
			t.Fatal("a datagram of another session was believed")
		}
		_, _ = decrypt(k.k2, in)
	})
}
