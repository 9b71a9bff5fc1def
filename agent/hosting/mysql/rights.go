package mysql

import "strings"

// privilege is one right on a database: its column in mysql.db, what GRANT calls it, and who has it.
type privilege struct {
	column, name string
	full, shrink bool
}

// privileges are all that a database can give, in the order of their columns.
var privileges = []privilege{
	{"Select_priv", "SELECT", true, true},
	{"Insert_priv", "INSERT", true, false},
	{"Update_priv", "UPDATE", true, false},
	{"Delete_priv", "DELETE", true, true},
	{"Create_priv", "CREATE", true, false},
	{"Drop_priv", "DROP", true, true},
	{"Grant_priv", "GRANT OPTION", false, false},
	{"References_priv", "REFERENCES", true, false},
	{"Index_priv", "INDEX", true, false},
	{"Alter_priv", "ALTER", true, false},
	{"Create_tmp_table_priv", "CREATE TEMPORARY TABLES", true, false},
	{"Lock_tables_priv", "LOCK TABLES", true, true},
	{"Create_view_priv", "CREATE VIEW", true, false},
	{"Show_view_priv", "SHOW VIEW", true, true},
	{"Create_routine_priv", "CREATE ROUTINE", true, false},
	{"Alter_routine_priv", "ALTER ROUTINE", true, false},
	{"Execute_priv", "EXECUTE", true, false},
	{"Event_priv", "EVENT", false, false},
	{"Trigger_priv", "TRIGGER", true, false},
	{"Delete_history_priv", "DELETE HISTORY", false, false},
}

// rights are which of them there are: "Y" or "N" for each.
type rights string

var (
	none   = rightsOf(func(privilege) bool { return false })
	full   = rightsOf(func(p privilege) bool { return p.full })
	shrink = rightsOf(func(p privilege) bool { return p.shrink })
)

func rightsOf(has func(privilege) bool) rights {
	var b strings.Builder
	for _, p := range privileges {
		if has(p) {
			b.WriteByte('Y')
		} else {
			b.WriteByte('N')
		}
	}
	return rights(b.String())
}

// without lists what r has and other has not, as GRANT and REVOKE want it; "" nothing.
func (r rights) without(other rights) string {
	var list []string
	for i, p := range privileges {
		if r[i] == 'Y' && other[i] != 'Y' {
			list = append(list, p.name)
		}
	}
	return strings.Join(list, ", ")
}

// columns is the expression that reads rights from mysql.db.
func columns() string {
	var list []string
	for _, p := range privileges {
		list = append(list, p.column)
	}
	return "CONCAT(" + strings.Join(list, ", ") + ")"
}
