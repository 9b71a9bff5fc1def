package access

import (
	"net/url"
	"strings"
	"testing"
	"time"
)

var rfcSecret = []byte("12345678901234567890")

// The vectors of RFC 6238, appendix B, for SHA-1: six of their eight digits.
func TestX7_CodesAreThoseOfRFC6238(t *testing.T) {
	for at, want := range map[int64]string{
		59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037", 20000000000: "353130",
	} {
		if got := CodeAt(rfcSecret, time.Unix(at, 0)); got != want {
			t.Errorf("at %d: %s, want %s", at, got, want)
		}
	}
	// RFC 4226, appendix D
	for step, want := range []string{"755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"} {
		if got := code(rfcSecret, int64(step)); got != want {
			t.Errorf("step %d: %s, want %s", step, got, want)
		}
	}
}

func TestX7_CodeIsTakenOnceAndOnlyInItsTime(t *testing.T) {
	now := time.Unix(1_700_000_015, 0)
	for offset, want := range map[time.Duration]bool{0: true, -30 * time.Second: true, 30 * time.Second: true, -60 * time.Second: false, 60 * time.Second: false} {
		_, ok, _ := SecondFactor{}.Try(rfcSecret, CodeAt(rfcSecret, now.Add(offset)), now)
		if ok != want {
			t.Errorf("a code of %v from now: taken %v", offset, ok)
		}
	}
	f, ok, _ := SecondFactor{}.Try(rfcSecret, " "+CodeAt(rfcSecret, now)[:3]+" "+CodeAt(rfcSecret, now)[3:], now)
	if !ok {
		t.Fatal("a code with a space in it")
	}
	for _, again := range []time.Duration{0, -30 * time.Second} {
		if _, ok, _ := f.Try(rfcSecret, CodeAt(rfcSecret, now.Add(again)), now); ok {
			t.Errorf("the code of %v was taken after a later one", again)
		}
	}
	if _, ok, _ := f.Try(rfcSecret, CodeAt(rfcSecret, now.Add(30*time.Second)), now.Add(30*time.Second)); !ok {
		t.Error("the next code is not taken")
	}
}

func TestX7_FailuresAreSlowedDownAndNeverShutOutForGood(t *testing.T) {
	now := time.Unix(1_700_000_015, 0)
	f := SecondFactor{Recovery: []string{RecoveryDigest("aaaa-bbbb-cccc-dddd"), RecoveryDigest("eeee-ffff-gggg-hhhh")}}
	var ok bool
	var wait time.Duration
	for i := range 5 {
		if f, ok, wait = f.Try(rfcSecret, "000000", now); ok || wait != 0 {
			t.Fatalf("failure %d: %v, wait %v", i, ok, wait)
		}
	}
	if f, ok, wait = f.Try(rfcSecret, CodeAt(rfcSecret, now), now); ok || wait != 30*time.Second {
		t.Errorf("the right code while codes are not looked at: %v, wait %v", ok, wait)
	}
	recovered, ok, _ := f.Try(rfcSecret, " AAAA bbbb-ccccdddd", now)
	if !ok || len(recovered.Recovery) != 1 || len(f.Recovery) != 2 {
		t.Errorf("a recovery code gets in at any time: %v, %v", ok, recovered.Recovery)
	}
	if _, ok, _ = recovered.Try(rfcSecret, "aaaa-bbbb-cccc-dddd", now); ok {
		t.Error("a recovery code works twice")
	}
	for range 100 { // however long somebody goes on
		now = f.NotBefore
		if f, ok, _ = f.Try(rfcSecret, "000000", now); ok {
			t.Fatal("a wrong code was taken")
		}
		if left := f.NotBefore.Sub(now); left > longestWait || left < firstWait {
			t.Fatalf("wait %v", left)
		}
	}
	now = f.NotBefore
	if f, ok, _ = f.Try(rfcSecret, CodeAt(rfcSecret, now), now); !ok || f.Failures != 0 || !f.NotBefore.IsZero() {
		t.Errorf("after the wait: %v, %+v", ok, f)
	}
}

func TestCodeURIIsReadByAuthenticators(t *testing.T) {
	u, err := url.Parse(CodeURI(rfcSecret, "Steelyard", "kim & co@example.net"))
	if err != nil || u.Scheme != "otpauth" || u.Host != "totp" || u.Path != "/Steelyard:kim & co@example.net" ||
		u.Query().Get("secret") != "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ" || u.Query().Get("issuer") != "Steelyard" || strings.Contains(u.RawQuery, "+") {
		t.Errorf("%v %v", u, err)
	}
}

func FuzzSecondFactorTakesOnlyItsCodes(f *testing.F) {
	now := time.Unix(1_700_000_015, 0)
	f.Add(CodeAt(rfcSecret, now))
	f.Add("aaaa-bbbb-cccc-dddd")
	f.Add("\x00 -")
	f.Fuzz(func(t *testing.T, text string) {
		before := SecondFactor{Recovery: []string{RecoveryDigest("aaaa-bbbb-cccc-dddd")}}
		after, ok, _ := before.Try(rfcSecret, text, now)
		plain := strings.ReplaceAll(strings.TrimSpace(text), " ", "")
		isCode := false
		for _, o := range []time.Duration{-30 * time.Second, 0, 30 * time.Second} {
			isCode = isCode || plain == CodeAt(rfcSecret, now.Add(o))
		}
		isRecovery := strings.ToLower(strings.NewReplacer("-", "", " ", "").Replace(text)) == "aaaabbbbccccdddd"
		if ok != (isCode || isRecovery) || !ok && after.Failures != 1 {
			t.Fatalf("%q: %v, %+v", text, ok, after)
		}
	})
}
