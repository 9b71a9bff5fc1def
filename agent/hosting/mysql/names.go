package mysql

import (
	"slices"
	"strings"

	"github.com/steelyard/steelyard/agent/hosting/file"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// host is where all database users of accounts log in from: the node itself.
const host = "localhost"

// maxDatabase is the longest name of a database, bytes.
const maxDatabase = 64

// check is the fault of a document that this part can do nothing with.
func check(a *protocol.HostedAccount) error {
	var c fault.Check
	c.Require(a.State == protocol.HostedPresent || a.State == protocol.HostedSuspended, "state", "is %.20q; it cannot be made so", a.State)
	c.Require(protocol.UserName(a.User), "user", "is %.40q, which is no name of a hosted user", a.User)
	c.Require(!protocol.ReservedUser(a.User), "user", "is %q, which has a meaning for the database server; the account needs another name to have databases", a.User)
	for i, name := range a.Databases {
		checkDatabase(&c, file.Nth("databases", i, ""), a.User, name)
		c.Require(!slices.Contains(a.DatabasesGone, name), file.Nth("databases", i, ""), "is %.80q, which databases_gone names, too", name)
	}
	for i, name := range a.DatabasesGone {
		checkDatabase(&c, file.Nth("databases_gone", i, ""), a.User, name)
	}
	c.Require(a.DatabasePassword == "" || isDigest(a.DatabasePassword), "database_password", "is no digest of mysql_native_password (* and 40 hexadecimal digits)")
	return c.Err("the account's document is wrong")
}

func checkDatabase(c *fault.Check, field, user, name string) {
	file.CheckOwned(c, field, user, name)
	c.Require(len(name) <= maxDatabase, field, "is longer than %d characters", maxDatabase)
}

func isDigest(text string) bool {
	return len(text) == 41 && text[0] == '*' && strings.Trim(text[1:], "0123456789ABCDEF") == ""
}

// quoted is a name as an identifier. The names were checked; doubling the quote is for the day on which somebody forgets to.
func quoted(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }

// literal is a text as a string of SQL.
func literal(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `''`, "\x00", "").Replace(text) + "'"
}

// login is USER@localhost as SQL has it.
func login(user string) string { return literal(user) + "@" + literal(host) }

// pattern is the name of a database as grants have it, where _ and % stand for other letters.
func pattern(database string) string {
	return strings.NewReplacer(`\`, `\\`, `_`, `\_`, `%`, `\%`).Replace(database)
}
