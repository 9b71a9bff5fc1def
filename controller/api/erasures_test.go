package api

import (
	"crypto/ed25519"
	"net/http"
	"strings"
	"testing"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/erase"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/id"
	"github.com/steelyard/steelyard/protocol"
)

func TestB45_CertificatesAreListedShownAndVerified(t *testing.T) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	h := newHouse(t, func(o *Options) { o.SigningKey = public })
	one, other := h.addServer("one", nil), h.addServer("other", nil)
	var kept []erase.Erasure
	for serial, server := range map[string]string{"F1": one, "F2": one, "F3": other} {
		e, err := erase.Certify(id.New("ers"), erase.Case{Operation: "opn-1", Server: erase.Machine{ID: server, Name: "one"}, Now: h.now()},
			protocol.Erasure{Disk: protocol.DiskRef{Name: "sda", Serial: serial, SizeBytes: 480e9}, Method: "overwrite zero", Proven: serial != "F2"},
			func(b []byte) []byte { return ed25519.Sign(private, b) })
		if err != nil {
			t.Fatal(err)
		}
		kept = append(kept, e)
		h.change(func(tx *store.Tx) error { return store.Erasures.Create(tx, e.ID, e) })
	}
	for query, want := range map[string]int{
		"/v1/erasures": 3, "/v1/erasures?server=" + one: 2, "/v1/erasures?proven=false": 1, "/v1/erasures?serial=F3": 1, "/v1/erasures?q=f1": 1,
		"/v1/servers/one/erasures": 2, "/v1/servers/" + other + "/erasures": 1, "/v1/servers/one/erasures?server=" + other: 2,
	} {
		var page struct {
			Items []map[string]any `json:"items"`
			Total int              `json:"total"`
		}
		a := h.must(http.StatusOK, "GET", query, "")
		if a.json(t, &page); page.Total != want || strings.Contains(string(a.body), "signed") {
			t.Errorf("%s: %d, not %d: %s", query, page.Total, want, a.body)
		}
	}
	for _, e := range kept {
		var got ErasureDetail
		h.ask(access.RoleOperations, "GET", "/v1/erasures/"+e.ID, "").json(t, &got)
		if got.Certificate.Disk.Serial != e.Serial || got.Proven != e.Proven || !ed25519.Verify(public, got.Signed, got.Signature) || got.SigningKey != string(erase.KeyText(public)) {
			t.Errorf("%+v", got)
		}
		a := h.must(http.StatusOK, "GET", "/v1/erasures/"+e.ID+".html", "")
		if !strings.HasPrefix(string(a.body), "<!DOCTYPE html>") || strings.Contains(string(a.body), "does not belong") || !strings.Contains(string(a.body), e.Serial) {
			t.Errorf("%s", a.body)
		}
	}
	h.must(http.StatusNotFound, "GET", "/v1/erasures/"+id.New("ers"), "")
	h.must(http.StatusNotFound, "GET", "/v1/erasures/"+id.New("ers")+".html", "")
	if a := h.ask(access.RoleCustomer, "GET", "/v1/erasures/"+kept[0].ID, ""); a.status != http.StatusForbidden {
		t.Errorf("a customer: %d", a.status)
	}
}
