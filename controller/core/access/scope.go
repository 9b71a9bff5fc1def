package access

import "strings"

// Scope narrows what an actor sees of a kind of record to those whose field has
// one value. The zero value sees everything.
type Scope struct {
	Field string // "department", "customer" or "reseller"; "" is no limit
	Value string
}

// Sees reports whether a record whose scoped field is value is visible. That of a reseller is a path: he sees what is his, and what is of
// those below him.
func (s Scope) Sees(value string) bool {
	switch {
	case s.Field == "":
		return true
	case s.Value == "":
		return false
	}
	return value == s.Value || s.Below() && strings.HasPrefix(value, s.Value+"/")
}

// Below reports whether the scope shows more than one value: what is below it.
func (s Scope) Below() bool { return s.Field == "reseller" }

// scoped says, for each narrowed role, by which field each table is narrowed
// (rule X7). A table that is not named is not narrowed: whether the role may
// read it at all is a matter of its permissions.
var scoped = map[Role]map[string]string{
	RoleDepartment: {"tasks": "department", "departments": "department"},
	RoleCustomer:   {"orders": "customer", "services": "customer", "addresses": "customer", "subscriptions": "customer", "accounts": "customer", "forwards": "customer"},
	RoleReseller: {
		"servers": "reseller", "resellers": "reseller", "users": "reseller", "customers": "reseller", "sales": "reseller", "placements": "reseller",
		"offers": "reseller", "subscriptions": "reseller", "accounts": "reseller", "forwards": "reseller",
	},
}

// ScopeOf is the part of a table that the actor sees. An actor of a narrowed role
// who belongs to nobody sees nothing.
func ScopeOf(a Actor, table string) Scope {
	field := scoped[a.Role][table]
	switch field {
	case "department":
		return Scope{Field: field, Value: a.Department}
	case "customer":
		return Scope{Field: field, Value: a.Customer}
	case "reseller":
		return Scope{Field: field, Value: a.Reseller}
	}
	return Scope{}
}
