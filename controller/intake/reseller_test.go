package intake

import (
	"context"
	"strings"
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

// TestX12_ALimitIsNotLoweredBelowWhatIsUsed: all limits at once, each naming its field.
func TestX12_ALimitIsNotLoweredBelowWhatIsUsed(t *testing.T) {
	g := openGate(t)
	d := draftFor("acme", "", 10)
	d.Limits[reselling.Customers] = reselling.AtMost(5)
	acme := g.resold(d)
	for _, name := range []string{"toys", "books"} {
		if _, _, err := g.CreateCustomer(context.Background(), ann, CustomerDraft{Name: name, Email: "a@example.org", Reseller: acme.ID}); err != nil {
			t.Fatal(err)
		}
	}
	g.resold(draftFor("child", acme.ID, 4))
	lower := func(customers, servers uint64) error {
		_, _, err := g.EditReseller(context.Background(), ann, acme.ID, AnyRevision, func(d ResellerDraft) (ResellerDraft, error) {
			d.Limits = reselling.Limits{reselling.Customers: reselling.AtMost(customers), reselling.Servers: reselling.AtMost(servers), reselling.Disk: reselling.AtMost(100)}
			return d, nil
		})
		return err
	}
	f := fault.From(lower(1, 3))
	if f == nil || f.Kind != fault.KindInvalid || len(f.Fields) != 2 {
		t.Fatalf("%+v", f)
	}
	for _, field := range f.Fields {
		if field.Name != "limits.customers" && field.Name != "limits.servers" || field.Name == "limits.customers" && !strings.Contains(field.Message, "would have 2 of 1") {
			t.Errorf("%+v", field)
		}
	}
	if err := lower(2, 4); err != nil {
		t.Errorf("to what is used: %v", err)
	}
}

// TestX7_NothingNewIsMadeForWhoIsKeptOut: no user and no reseller below, with the reason.
func TestX7_NothingNewIsMadeForWhoIsKeptOut(t *testing.T) {
	g := openGate(t)
	acme := g.resold(draftFor("acme", "", 10))
	child := g.resold(draftFor("child", acme.ID, 1))
	user := func(name, of string) error {
		_, _, err := g.CreateUser(context.Background(), ann, UserDraft{Name: name, Role: access.RoleReseller, Reseller: of, Password: "correct horse battery"})
		return err
	}
	if err := user("kim", child.ID); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		state string
		of    []string
	}{{reselling.Suspended, []string{acme.ID, child.ID}}, {reselling.Disabled, []string{acme.ID}}} {
		state, of := c.state, c.of
		if _, _, err := g.SetResellerState(context.Background(), ann, acme.ID, state, "unpaid"); err != nil {
			t.Fatal(err)
		}
		for _, id := range of {
			_, _, below := g.CreateReseller(context.Background(), ann, draftFor("new "+state, id, 1))
			for _, err := range []error{user("lee "+state, id), below} {
				if !fault.Is(err, fault.KindRefused) || err.Error() != "reseller acme is "+state+": unpaid" {
					t.Errorf("%s: %v", state, err)
				}
			}
		}
	}
	if err := user("pat", child.ID); err != nil {
		t.Errorf("below one who is disabled only: %v", err)
	}
}
