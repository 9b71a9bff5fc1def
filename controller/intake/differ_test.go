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
	after.Epoch, after.Maintenance = 4, &fleet.Maintenance{Note: fleet.Note{Reason: "fan", At: now}}
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

// sealedRecord has secrets at every depth.
type sealedRecord struct {
	Name   string                    `json:"name"`
	Top    access.Sealed             `json:"top,omitzero"`
	Bare   access.Sealed             `json:"bare"`
	In     struct{ S access.Sealed } `json:"in"`
	List   []sealedEnd               `json:"list,omitempty"`
	ByName map[string]access.Sealed  `json:"by_name,omitempty"`
	To     *sealedEnd                `json:"to,omitempty"`
}

type sealedEnd struct {
	URL    string        `json:"url"`
	Secret access.Sealed `json:"secret,omitzero"`
}

func TestX9_TheAuditLineSaysThatASecretChangedAndShowsNoBox(t *testing.T) {
	box := func(text string) access.Sealed { return access.Sealed{Key: "key-of-boxes", Box: []byte(text)} }
	full := func(text string) sealedRecord {
		r := sealedRecord{Name: "x", Top: box(text), Bare: box(text), List: []sealedEnd{{"https://a", box(text)}, {"https://b", access.Sealed{}}}}
		r.In.S, r.ByName, r.To = box(text), map[string]access.Sealed{"one": box(text)}, &sealedEnd{URL: text + "-url", Secret: box(text)}
		return r
	}
	const made = `{"bare":"set","by_name":{"one":"set"},"in":{"S":"set"},"list":[{"secret":"set","url":"https://a"},{"url":"https://b"}],"name":"x","to":{"secret":"set","url":"first-url"},"top":"set"}`
	for name, c := range map[string]struct {
		before, after any
		b, a          string
	}{
		"made":    {nil, full("first"), "", made},
		"deleted": {full("first"), nil, made, ""},
		"changed": {
			sealedRecord{Top: box("one")},
			sealedRecord{Top: box("two"), Bare: box("new")},
			`{"bare":"","top":"set"}`, `{"bare":"set","top":"changed"}`,
		},
		"removed": {sealedRecord{Top: box("one")}, sealedRecord{}, `{"top":"set"}`, ""},
		"nested":  {sealedRecord{List: []sealedEnd{{"u", box("one")}}}, sealedRecord{List: []sealedEnd{{"u", box("two")}}}, `{"list":[{"secret":"set","url":"u"}]}`, `{"list":[{"secret":"set","url":"u"}]}`},
		"same":    {full("first"), full("first"), "", ""},
	} {
		before, after, err := differing(c.before, c.after)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := textOf(before)
		a, _ := textOf(after)
		if string(b) != c.b || string(a) != c.a {
			t.Errorf("%s:\nbefore %s\nwant   %s\nafter  %s\nwant   %s", name, b, c.b, a, c.a)
		}
	}
}
