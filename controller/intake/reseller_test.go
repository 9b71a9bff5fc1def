package intake

import (
	"context"
	"testing"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/pkg/fault"
)

func draftFor(name, parent string, most uint64) ResellerDraft {
	return ResellerDraft{
		Name: name, Company: name, Email: "ops@example.org", Parent: parent,
		Limits: reselling.Limits{reselling.Servers: reselling.AtMost(most), reselling.Disk: reselling.AtMost(10 * most)},
	}
}

func (g *gate) resold(d ResellerDraft) reselling.Reseller {
	g.t.Helper()
	r, _, err := g.CreateReseller(context.Background(), ann, d)
	if err != nil {
		g.t.Fatal(err)
	}
	return r
}

// TestX7_AResellerDecidesAboutThoseBelowHimOnly: about himself those above him do, and of others he learns nothing.
func TestX7_AResellerDecidesAboutThoseBelowHimOnly(t *testing.T) {
	g := openGate(t)
	acme, other := g.resold(draftFor("acme", "", 10)), g.resold(draftFor("other", "", 10))
	he := access.Actor{Name: "boss", Role: access.RoleReseller, Reseller: acme.Path}
	child, _, err := g.CreateReseller(context.Background(), he, draftFor("child", acme.ID, 5))
	if err != nil {
		t.Fatal(err)
	}
	if child.Path != acme.ID+"/"+child.ID {
		t.Errorf("path %s", child.Path)
	}
	edit := func(id string) error {
		_, _, err := g.EditReseller(context.Background(), he, id, AnyRevision, func(d ResellerDraft) (ResellerDraft, error) { d.Company = "Child Ltd"; return d, nil })
		return err
	}
	if err := edit(child.ID); err != nil {
		t.Error(err)
	}
	if err := edit(acme.ID); !fault.Is(err, fault.KindDenied) {
		t.Errorf("himself: %v", err)
	}
	if err := edit(other.ID); !fault.Is(err, fault.KindNotFound) {
		t.Errorf("another one: %v", err)
	}
	if _, _, err := g.SetResellerState(context.Background(), he, acme.ID, reselling.Disabled, "why not"); !fault.Is(err, fault.KindDenied) {
		t.Errorf("disables himself: %v", err)
	}
	_, _, foreign := g.CreateReseller(context.Background(), he, draftFor("x", other.ID, 1))
	_, _, absent := g.CreateReseller(context.Background(), he, draftFor("x", "rsl-nobody", 1))
	for _, err := range []error{foreign, absent} {
		if f := fault.From(err); f == nil || len(f.Fields) != 1 || f.Fields[0].Name != "parent" {
			t.Fatalf("%v", err)
		}
	}
	if a, b := fault.From(foreign).Fields[0].Message, fault.From(absent).Fields[0].Message; len(a)-len(other.ID) != len(b)-len("rsl-nobody") {
		t.Errorf("%q tells more than %q", a, b)
	}
	if _, _, err := g.CreateReseller(context.Background(), he, draftFor("x", "", 1)); !fault.Is(err, fault.KindInvalid) {
		t.Errorf("beside himself: %v", err)
	}
	if _, _, err := g.CreateReseller(context.Background(), he, draftFor("OTHER", acme.ID, 1)); err != nil {
		t.Errorf("the name of somebody he does not know: %v", err)
	}
}
