package access

// Scope narrows what an actor sees of a kind of record to those whose field has
// one value. The zero value sees everything.
type Scope struct {
	Field string // "department" or "customer"; "" is no limit
	Value string
}

// Sees reports whether a record whose scoped field is value is visible.
func (s Scope) Sees(value string) bool {
	return s.Field == "" || (s.Value != "" && value == s.Value)
}

// scoped says, for each narrowed role, by which field each table is narrowed
// (rule X7). A table that is not named is not narrowed: whether the role may
// read it at all is a matter of its permissions.
var scoped = map[Role]map[string]string{
	RoleDepartment: {"tasks": "department"},
	RoleCustomer:   {"orders": "customer", "services": "customer", "addresses": "customer"},
	RoleReseller:   {"orders": "customer", "services": "customer", "addresses": "customer", "tasks": "department"},
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
	}
	return Scope{}
}
