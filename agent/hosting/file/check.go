package file

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/steelyard/steelyard/pkg/fault"
)

// MaxDomain is the longest domain of an account, bytes: a name of the DNS with room for "www." in front and for the ending of a file's name behind.
const MaxDomain = 240

var (
	label  = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)
	digits = regexp.MustCompile(`^[0-9]+$`)
	local  = regexp.MustCompile(`^[a-z0-9]+([._+-]+[a-z0-9]+)*$`)
	member = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9._+=-]*[A-Za-z0-9_+=-])?$`)
	word   = regexp.MustCompile(`^[a-z0-9][a-z0-9_]{0,31}$`)
	step   = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]*$`)
	crypt  = regexp.MustCompile(`^\$6\$(rounds=[1-9][0-9]{3,8}\$)?[A-Za-z0-9./]{1,16}\$[A-Za-z0-9./]{86}$`)
)

// The checks record a field as wrong unless its text can stand in every file and argument that the parts write: nothing in it has a meaning
// to nginx, PHP, ProFTPD, Postfix, Dovecot, passwd or SQL. They are narrower than what the controller lets pass
// would be anywhere else, so that the node needs no quoting.

// CheckDomain is for names of sites and of mail: at least two labels, lower case, punycode.
func CheckDomain(c *fault.Check, field, text string) {
	c.Require(IsDomain(text), field, "is %.60q, which is no domain name in lower case and punycode of at most %d characters", text, MaxDomain)
}

// IsDomain is what CheckDomain asks for.
func IsDomain(text string) bool {
	if len(text) > MaxDomain {
		return false
	}
	labels := strings.Split(text, ".")
	for _, l := range labels {
		if len(l) > 63 || !label.MatchString(l) {
			return false
		}
	}
	return len(labels) >= 2 && !digits.MatchString(labels[len(labels)-1])
}

// CheckAddress is for mailboxes and lists of the node: lower case, a small set of characters.
func CheckAddress(c *fault.Check, field, text string) {
	name, domain, ok := strings.Cut(text, "@")
	c.Require(ok && len(name) <= 64 && local.MatchString(name) && !strings.Contains(name, "..") && IsDomain(domain), field,
		"is %.60q, which is no address that a mailbox can have here: small letters, digits and . _ + - before the @", text)
}

// CheckMember is for addresses elsewhere to which mail is passed on. No program, file, route or option of a mail server can be written as one.
func CheckMember(c *fault.Check, field, text string) {
	name, domain, ok := strings.Cut(text, "@")
	c.Require(ok && len(name) <= 64 && member.MatchString(name) && !strings.Contains(name, "..") && IsDomain(strings.ToLower(domain)), field,
		"is %.60q, which is no address that mail can be passed on to", text)
}

// CheckDigest is for passwords of system, FTP and mail: sha512-crypt, or none. What is wrong is not shown: it may be a password.
func CheckDigest(c *fault.Check, field, text string) {
	c.Require(text == "" || crypt.MatchString(text), field, "is no sha512-crypt digest ($6$salt$…)")
}

// CheckOwned is for names of FTP logins and databases: the user's name, "_" and a word of small letters, digits and "_".
func CheckOwned(c *fault.Check, field, user, text string) {
	rest, ok := strings.CutPrefix(text, user+"_")
	c.Require(ok && word.MatchString(rest), field, "is %.60q; it must be %s_ and 1 to 32 small letters, digits or _", text, user)
}

// CheckBelow is for directories below the home: relative, "/" between names that begin with no dot; "" is the home itself.
func CheckBelow(c *fault.Check, field, text string) {
	ok := len(text) <= 200
	for name := range strings.SplitSeq(text, "/") {
		ok = ok && (text == "" || step.MatchString(name))
	}
	c.Require(ok, field, "is %.60q; it must be a path below the home, of letters, digits and . _ -, in which no name begins with a dot", text)
}

// CheckLine is for any other text that becomes part of a line of a file: printable ASCII without a colon, of at most so many bytes.
func CheckLine(c *fault.Check, field, text string, limit int) {
	ok := len(text) <= limit
	for i := range len(text) {
		ok = ok && text[i] >= ' ' && text[i] < 0x7F && text[i] != ':'
	}
	c.Require(ok, field, "must be at most %d plain characters without a colon", limit)
}

// Nth is the name of a field of a list: Nth("mailboxes", 2, "address") is "mailboxes[2].address".
func Nth(list string, n int, field string) string {
	name := fmt.Sprintf("%s[%d]", list, n)
	if field != "" {
		name += "." + field
	}
	return name
}
