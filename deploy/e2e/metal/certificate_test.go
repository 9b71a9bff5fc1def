package metal

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"os"
	"strings"

	"github.com/steelyard/steelyard/deploy/e2e/metal/qemu"
)

// certified checks the certificate of a disk that an operation erased as an auditor does: with nothing but the text, its signature
// and the published key.
func (l *life) certified(operation string, disk qemu.Disk) {
	l.t.Helper()
	var list struct {
		Items []struct{ ID, Operation, Serial string }
	}
	l.must("GET", "/v1/servers/"+l.known.ID+"/erasures", nil, &list)
	var ids []string
	for _, e := range list.Items {
		if e.Operation == operation && e.Serial == disk.Serial {
			ids = append(ids, e.ID)
		}
	}
	if len(ids) != 1 {
		l.t.Fatalf("%d certificates of disk %s by operation %s: %+v", len(ids), disk.Serial, operation, list.Items)
	}
	var detail struct {
		Certificate       json.RawMessage
		Signed, Signature []byte
		SigningKey        string `json:"signing_key"`
	}
	l.must("GET", "/v1/erasures/"+ids[0], nil, &detail)
	l.signed(detail.Signed, detail.Signature, detail.SigningKey)
	var shown, signed any
	if json.Unmarshal(detail.Certificate, &shown) != nil || json.Unmarshal(detail.Signed, &signed) != nil || !same(shown, signed) {
		l.t.Errorf("the certificate that is shown is not the one that was signed:\n%s\n%s", detail.Certificate, detail.Signed)
	}
	l.says(detail.Signed, disk)
	if _, page := l.try("GET", "/v1/erasures/"+ids[0]+".html", nil, nil); !strings.Contains(page, disk.Serial) || !strings.Contains(page, l.server.m.Identity.Serial) {
		l.t.Errorf("the page to print does not name disk and server: %.2000s", page)
	}
}

func same(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// signed verifies the signature, and that it is worth something.
func (l *life) signed(text, signature []byte, key string) {
	l.t.Helper()
	block, _ := pem.Decode([]byte(key))
	if block == nil {
		l.t.Fatalf("the key is no PEM: %q", key)
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	public, ok := parsed.(ed25519.PublicKey)
	if err != nil || !ok {
		l.t.Fatalf("the key is %T: %v", parsed, err)
	}
	forged := bytes.Replace(text, []byte(`"proven":true`), []byte(`"proven":null`), 1)
	if !ed25519.Verify(public, text, signature) || bytes.Equal(forged, text) || ed25519.Verify(public, forged, signature) {
		l.t.Errorf("the signature does not prove the certificate %s", text)
	}
}

// says checks what was signed against how the machine was made.
func (l *life) says(text []byte, disk qemu.Disk) {
	l.t.Helper()
	var c struct {
		Server struct {
			ID       string
			Identity struct {
				SystemSerial string `json:"system_serial"`
			}
		}
		Disk struct {
			Serial    string
			SizeBytes uint64 `json:"size_bytes"`
		}
		Proven       bool
		Method       string
		Attempts     []any
		Verification struct {
			Bytes      uint64
			Confidence string
		}
	}
	if err := json.Unmarshal(text, &c); err != nil {
		l.t.Fatal(err)
	}
	file, err := os.Stat(disk.File)
	if err != nil {
		l.t.Fatal(err)
	}
	size := uint64(file.Size()) // small: every byte is read back
	if c.Server.ID != l.known.ID || c.Server.Identity.SystemSerial != l.server.m.Identity.Serial || c.Disk.Serial != disk.Serial || c.Disk.SizeBytes != size {
		l.t.Errorf("it is of another disk or server: %s", text)
	}
	if !c.Proven || c.Method == "" || len(c.Attempts) == 0 || c.Verification.Bytes != size {
		l.t.Errorf("it proves too little: %s", text)
	}
	l.t.Logf("erased by %s; %d bytes read back, %s", c.Method, c.Verification.Bytes, c.Verification.Confidence)
}
