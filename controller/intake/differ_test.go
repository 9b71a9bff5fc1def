package intake

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/image"
	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/protocol"
)

func TestX8_TheAuditLineTellsWhatDiffersAndNoSecret(t *testing.T) {
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	before := fleet.Server{ID: "srv-1", Name: "web", Claim: fleet.Claim{Kind: fleet.ClaimNone}, Epoch: 3}
	after := before
	after.Epoch, after.Maintenance = 4, &fleet.Note{Reason: "fan", At: now}
	b, a, err := differing(before, after)
	if err != nil || len(b) != 1 || string(b["epoch"]) != "3" || len(a) != 2 || string(a["epoch"]) != "4" || a["maintenance"] == nil {
		t.Fatalf("before %s, after %s, %v", b, a, err)
	}
	_, made, err := differing(nil, access.User{ID: "usr-1", Name: "ann", PasswordHash: "$argon2id$secret"})
	if err != nil || made["password_hash"] != nil || string(made["name"]) != `"ann"` {
		t.Fatalf("a new user: %s, %v", made, err)
	}
}

// What is told of a new record is the record's own JSON, without its secrets.
func TestX8_ANewRecordIsToldAsItIsStored(t *testing.T) {
	for _, record := range []any{
		fleet.Server{ID: "srv-1", Override: &fleet.Override{Note: fleet.Note{Reason: "x"}}},
		image.Image{ImageManifest: protocol.ImageManifest{ID: "img-1", RawBytes: 7}, Signature: []byte{1}},
		operation.Command{Command: protocol.Command{ID: "c"}},
		access.Token{ID: "tok-1", Digest: "d"},
	} {
		_, got, err := differing(nil, record)
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(record)
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]json.RawMessage{}
		if err := json.Unmarshal(text, &want); err != nil {
			t.Fatal(err)
		}
		for _, f := range secretFields {
			delete(want, f)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%T\ngot  %s\nwant %s", record, got, want)
		}
	}
}

func BenchmarkAuditDiffers(b *testing.B) {
	before := fleet.Server{ID: "srv-1", Name: "web", Claim: fleet.Claim{Kind: fleet.ClaimNone}, Diagnosis: &fleet.DiagnosisSummary{Checks: make([]protocol.Check, 12)}}
	after := before
	after.Epoch, after.Claim = 4, fleet.Claim{Kind: fleet.ClaimClient, Ref: "svc-1"}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := differing(before, after); err != nil {
			b.Fatal(err)
		}
	}
}
