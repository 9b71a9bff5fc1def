package notify

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// The specification's own library takes what we sign, with the old secret and with the new one
// while they change, and nothing else.
func TestX9_SignaturesAreWhatTheSpecificationSays(t *testing.T) {
	old, present := []byte("0123456789abcdef01234567"), []byte("the-present-secret-of-32-bytes!!")
	body := []byte(`{"type":"task.opened"}`)
	at := time.Now()
	h := http.Header{}
	h.Set(HeaderID, "evt-1")
	h.Set(HeaderTimestamp, strconv.FormatInt(at.Unix(), 10))
	h.Set(HeaderSignature, Sign([][]byte{present, old}, "evt-1", at, body))
	for _, secret := range [][]byte{old, present} {
		oracle, err := standardwebhooks.NewWebhook(SecretText(secret))
		if err != nil {
			t.Fatal(err)
		}
		if err := oracle.Verify(body, h); err != nil {
			t.Errorf("the official library refuses our signature: %v", err)
		}
		if oracle.Verify([]byte(`{"type":"task.closed"}`), h) == nil {
			t.Error("another body passes")
		}
		want, err := oracle.Sign("evt-1", at, body)
		if err != nil || !strings.Contains(h.Get(HeaderSignature), want) {
			t.Errorf("the official library signs %q; we sign %q (%v)", want, h.Get(HeaderSignature), err)
		}
	}
	stranger, _ := standardwebhooks.NewWebhook(SecretText([]byte("a secret that nobody has told us")))
	if stranger.Verify(body, h) == nil {
		t.Error("a stranger's secret passes")
	}
}

// The example of the specification.
func TestX9_PublishedSignature(t *testing.T) {
	oracle, err := standardwebhooks.NewWebhook("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		t.Fatal(err)
	}
	body, at := []byte(`{"test": 2432232314}`), time.Unix(1614265330, 0)
	const want = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
	if got, err := oracle.Sign("msg_p5jXN8AQM9LWM0D4loKWxJek", at, body); err != nil || got != want {
		t.Fatalf("the library signs %q (%v)", got, err)
	}
	secret := []byte{0x31, 0xf2, 0x90, 0xf6, 0xbf, 0x06, 0x29, 0x8a, 0xab, 0x4f, 0x08, 0xd4, 0x3c, 0x3f, 0x08, 0x2c, 0xf6, 0x48, 0xa3, 0x62, 0xda, 0x2d, 0xa4, 0xb0}
	if got := Sign([][]byte{secret}, "msg_p5jXN8AQM9LWM0D4loKWxJek", at, body); got != want {
		t.Errorf("we sign %q, want %q", got, want)
	}
	if SecretText(secret) != "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" {
		t.Errorf("the secret reads %q", SecretText(secret))
	}
}
