package access

import (
	"slices"
	"strings"
	"testing"

	"github.com/steelyard/steelyard/pkg/fault"
)

func TestX7_AnUnknownRoleMayNothing(t *testing.T) {
	for _, p := range everything {
		if Allowed("", p) || Allowed("root", p) {
			t.Errorf("an unknown role has %s", p)
		}
	}
	if !Allowed("", Public) {
		t.Error("public is not public")
	}
}

func TestX7_OnlyAdminManagesUsersTokensAndKeys(t *testing.T) {
	for _, r := range Roles() {
		for _, p := range []Permission{TokenManage, UserManage, SecretManage} {
			if got, want := Allowed(r, p), r == RoleAdmin; got != want {
				t.Errorf("Allowed(%s, %s) = %v, want %v", r, p, got, want)
			}
		}
		if !r.Known() || !Allowed(r, Self) {
			t.Errorf("role %s is unknown or may not ask who it is", r)
		}
	}
}

func TestX7_SystemsAndOperationsSetUpManagementControllersAndSwitches(t *testing.T) {
	for _, r := range Roles() {
		want := r == RoleAdmin || r == RoleSystems || r == RoleOperations
		if Allowed(r, HandsRead) != want || Allowed(r, HandsWrite) != want {
			t.Errorf("%s: read %v, write %v; want %v", r, Allowed(r, HandsRead), Allowed(r, HandsWrite), want)
		}
	}
}

func TestX7_OnlyOperationsAndAdminGetConsoles(t *testing.T) {
	for _, r := range Roles() {
		if got, want := Allowed(r, ServerConsole), r == RoleAdmin || r == RoleOperations; got != want {
			t.Errorf("%s: %v, want %v", r, got, want)
		}
	}
}

func TestX7_MarketingChangesNothing(t *testing.T) {
	for _, p := range Permissions(RoleMarketing) {
		if p != Self && p != MatchAsk && !strings.HasSuffix(string(p), ".read") {
			t.Errorf("marketing has %s", p)
		}
	}
}

func TestX7_CustomersAndResellersSeeNothingOfTheFleet(t *testing.T) {
	for _, r := range []Role{RoleCustomer, RoleReseller} {
		for _, p := range []Permission{ServerWrite, OperationRead, ErasureRead, HandsRead, TaskRead, AuditRead, MatchAsk, SetupRead, UserManage} {
			if Allowed(r, p) {
				t.Errorf("%s has %s", r, p)
			}
		}
	}
	if Allowed(RoleCustomer, PeopleAct) || Allowed(RoleCustomer, PeopleManage) {
		t.Error("a customer manages people")
	}
	if Allowed(RoleCustomer, ServerRead) {
		t.Error("a customer sees servers")
	}
}

func TestX7_AResellerSeesWhatIsHisAndWhatIsBelowHim(t *testing.T) {
	owner := Actor{Role: RoleReseller, Reseller: "rsl-a/rsl-b"}
	for _, table := range []string{"servers", "resellers", "users", "customers", "sales", "placements"} {
		s := ScopeOf(owner, table)
		for path, want := range map[string]bool{
			"rsl-a/rsl-b": true, "rsl-a/rsl-b/rsl-c": true, "rsl-a": false, "rsl-a/rsl-bb": false, "rsl-b": false, "": false,
		} {
			if s.Sees(path) != want {
				t.Errorf("%s: sees %q = %v, want %v", table, path, !want, want)
			}
		}
		if nobody := ScopeOf(Actor{Role: RoleReseller}, table); nobody.Sees("") || nobody.Sees("rsl-a") {
			t.Errorf("%s: a reseller of nobody sees something", table)
		}
	}
}

// TestS1_OnlySystemsAndOperationsSell what is the provider's; what a reseller may sell is a matter of what he was sold.
func TestS1_OnlySystemsAndOperationsSell(t *testing.T) {
	for _, r := range Roles() {
		if got, want := Allowed(r, SaleMake), r == RoleAdmin || r == RoleSystems || r == RoleOperations || r == RoleReseller; got != want {
			t.Errorf("Allowed(%s, %s) = %v, want %v", r, SaleMake, got, want)
		}
	}
}

func TestX7_NarrowedRolesSeeOnlyTheirOwn(t *testing.T) {
	customer := Actor{Role: RoleCustomer, Customer: "acme"}
	for _, table := range []string{"orders", "services"} {
		s := ScopeOf(customer, table)
		if !s.Sees("acme") || s.Sees("other") || s.Sees("") {
			t.Errorf("%s: a customer sees the wrong records through %+v", table, s)
		}
		if s := ScopeOf(Actor{Role: RoleCustomer}, table); s.Sees("") || s.Sees("acme") {
			t.Errorf("%s: a customer of nobody sees something", table)
		}
	}
	member := ScopeOf(Actor{Role: RoleDepartment, Department: "dc-ops"}, "tasks")
	if !member.Sees("dc-ops") || member.Sees("billing") {
		t.Error("a department member sees tasks of another department")
	}
	if s := ScopeOf(Actor{Role: RoleOperations}, "orders"); !s.Sees("acme") {
		t.Error("operations is narrowed")
	}
}

func TestX9_OnlyDigestsAreMade(t *testing.T) {
	hash, err := HashPassword("correct horse battery", []byte("0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(hash, "$argon2id$v=19$m=65536,t=3,p=4$") || strings.Contains(hash, "horse") {
		t.Errorf("the hash is %q", hash)
	}
	if !VerifyPassword(hash, "correct horse battery") || VerifyPassword(hash, "correct horse batterz") {
		t.Error("the hash does not tell right from wrong")
	}
	if VerifyPassword("", "") || VerifyPassword("$argon2id$nonsense", "x") {
		t.Error("a broken hash lets somebody in")
	}
	if Digest("a") == Digest("b") || !SameDigest(Digest("a"), Digest("a")) || len(Digest("a")) != 64 {
		t.Error("digests do not tell secrets apart")
	}
}

func TestX13_PasswordRules(t *testing.T) {
	for password, ok := range map[string]bool{
		"short": false, "long enough 123": true, "my name is alice x": false, strings.Repeat("x", 300): false,
	} {
		var c fault.Check
		CheckPassword(&c, "password", password, "Alice")
		if got := c.Err("x") == nil; got != ok {
			t.Errorf("%q: accepted %v, want %v", password, got, ok)
		}
	}
	if slices.Contains(everything, Public) {
		t.Error("public is granted to somebody")
	}
}
