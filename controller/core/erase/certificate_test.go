package erase

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"html"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/protocol"
)

var (
	public, private, _ = ed25519.GenerateKey(nil)
	noon               = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
)

func sign(b []byte) []byte { return ed25519.Sign(private, b) }

func outcome() (Case, protocol.Erasure) {
	c := Case{
		Operation: "opn-1", RequestedBy: "ada", AgentVersion: "1.2", ControllerVersion: "1.3", Now: noon,
		Server:    Machine{ID: "srv-1", Name: "rack7-u12", Identity: hardware.Identity{SystemSerial: "SN1", UUID: "u-1"}},
		Inventory: &hardware.Inventory{Disks: []hardware.Disk{{Name: "sdz", Serial: "F1", SizeBytes: 480e9, Vendor: "ACME", Model: "Spinner <3>", Firmware: "F9", Type: "sata"}}},
	}
	return c, protocol.Erasure{
		Disk: protocol.DiskRef{Name: "sda", Serial: "F1", SizeBytes: 480e9}, Method: "discard + overwrite noise + zero", Proven: true,
		Confidence: "both ends and 4608 random pieces of 64 KiB are zero: 99 % confidence that less than 0.1 % is left", VerifiedBytes: 335544320, TotalBytes: 480e9,
		StartedAt: noon.Add(-time.Hour), EndedAt: noon.Add(-time.Minute),
		Attempts: []protocol.Attempt{{Method: "ata security erase: normal", Outcome: protocol.AttemptClaimed, Detail: "something is left"}, {Method: "overwrite", Outcome: protocol.AttemptProven}},
	}
}

func TestB45_ACertificateSaysEverythingAndIsSigned(t *testing.T) {
	c, e := outcome()
	kept, err := Certify("ers-1", c, e, sign)
	if err != nil || !ed25519.Verify(public, kept.Signed, kept.Signature) {
		t.Fatal("the signature does not hold", err)
	}
	cert, err := kept.Read()
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case cert.Format != Format, cert.ID != "ers-1", cert.Operation != "opn-1", cert.RequestedBy != "ada", cert.Server.Identity.SystemSerial != "SN1",
		cert.Disk.Name != "sda", cert.Disk.Model != "Spinner <3>", cert.Disk.Firmware != "F9", cert.Method != e.Method, !cert.Proven,
		len(cert.Attempts) != 2, cert.Attempts[0].Outcome != protocol.AttemptClaimed, cert.Verification.Bytes != e.VerifiedBytes, cert.Verification.Confidence != e.Confidence,
		!cert.StartedAt.Equal(e.StartedAt), !cert.EndedAt.Equal(e.EndedAt), !cert.IssuedAt.Equal(noon), cert.AgentVersion != "1.2", cert.ControllerVersion != "1.3":
		t.Errorf("%+v", cert)
	}
	if kept.Server != "srv-1" || kept.Serial != "F1" || kept.SizeBytes != 480e9 || !kept.Proven || kept.Model != cert.Disk.Model {
		t.Errorf("%+v", kept)
	}
	text, err := json.Marshal(kept)
	var again Erasure
	if err := json.Unmarshal(text, &again); err != nil || !ed25519.Verify(public, again.Signed, again.Signature) {
		t.Error("the signature does not survive being kept", err)
	}
	if err != nil {
		t.Error(err)
	}
}

func TestB45_WhatWasNotTouchedHasNoCertificate(t *testing.T) {
	if Touched(protocol.Erasure{Error: "the permit does not name it"}) {
		t.Error("refused beforehand")
	}
	if !Touched(protocol.Erasure{Attempts: []protocol.Attempt{{Method: "discard"}}, Error: "input/output error"}) {
		t.Error("failed in the middle")
	}
}

// TestB45_ThePageAloneCanBeVerified with openssl, as the page says.
func TestB45_ThePageAloneCanBeVerified(t *testing.T) {
	c, e := outcome()
	e.Unallocated = 3e9
	kept, err := Certify("ers-1", c, e, sign)
	if err != nil {
		t.Fatal(err)
	}
	text, err := kept.Page(public)
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	for _, want := range []string{"Certificate of erasure", "Spinner &lt;3&gt;", "rack7-u12", "claimed, not proven", "99 % confidence", "480 GB", "ada", "59m0s", "(3000000000 bytes) of the drive are in no namespace"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if strings.Contains(page, "does not belong") || regexp.MustCompile(`(src|href)=|url\(|<script`).MatchString(page) {
		t.Error("the page says that its signature is wrong, or needs something else")
	}
	blocks := regexp.MustCompile(`(?s)<pre>(.*?)</pre>`).FindAllStringSubmatch(page, -1)
	if len(blocks) != 3 {
		t.Fatalf("%d blocks", len(blocks))
	}
	dir := t.TempDir()
	signature, err := base64.StdEncoding.DecodeString(html.UnescapeString(blocks[1][1]))
	if err != nil {
		t.Fatal(err)
	}
	for name, body := range map[string]string{"signed": html.UnescapeString(blocks[0][1]), "signature": string(signature), "key.pem": html.UnescapeString(blocks[2][1])} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	verify := exec.Command("openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "key.pem", "-rawin", "-in", "signed", "-sigfile", "signature")
	verify.Dir = dir
	if out, err := verify.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

func TestB45_APageWithAnotherSignatureSaysSo(t *testing.T) {
	c, e := outcome()
	e.Proven, e.Error = false, "disk sda: something is left"
	kept, err := Certify("ers-1", c, e, sign)
	if err != nil {
		t.Fatal(err)
	}
	kept.Signature[3] ^= 1
	text, err := kept.Page(public)
	if err != nil || !strings.Contains(string(text), "does not belong") || !strings.Contains(string(text), "is not proven") || strings.Contains(string(text), "Certificate of erasure") {
		t.Errorf("%v %s", err, text)
	}
}
