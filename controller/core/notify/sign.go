package notify

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/steelyard/steelyard/pkg/fault"
)

// Headers of a delivery, as the Standard Webhooks specification names them.
const (
	HeaderID        = "webhook-id"
	HeaderTimestamp = "webhook-timestamp"
	HeaderSignature = "webhook-signature"
)

// SecretBytes is the length of a signing secret; the specification asks for 24 to 64.
const SecretBytes = 32

const secretPrefix = "whsec_"

// SecretText is a signing secret as a person copies it to the receiver.
func SecretText(secret []byte) string {
	return secretPrefix + base64.StdEncoding.EncodeToString(secret)
}

// Sign is the value of webhook-signature: one signature by each secret, so that a
// receiver knows the sender by the old one or by the new one while they change.
func Sign(secrets [][]byte, id string, at time.Time, body []byte) string {
	list := make([]string, len(secrets))
	for i, secret := range secrets {
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(id + "." + strconv.FormatInt(at.Unix(), 10) + "."))
		mac.Write(body)
		list[i] = "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}
	return strings.Join(list, " ")
}

// Payload is the body of a webhook: type, timestamp and data.
func (e Event) Payload() ([]byte, error) {
	body, err := json.Marshal(struct {
		Type      string    `json:"type"`
		Timestamp time.Time `json:"timestamp"`
		Data      Data      `json:"data"`
	}{e.Type, e.At, e.Data})
	if err != nil {
		return nil, fault.Internal("write event %s: %w", e.ID, err)
	}
	return body, nil
}
