package plan

import (
	"regexp"
	"slices"
	"strings"

	"github.com/steelyard/steelyard/pkg/fault"
)

// Defaults are the basic settings of a reseller: what he decides once for all new accounts (rule C22). The zero value is no default mailbox, no shell, and what the offer says.
type Defaults struct {
	DefaultMailbox bool   `json:"default_mailbox"`        // each new account gets a mailbox; skipped with a notice where the offer has none
	MailboxName    string `json:"mailbox_name,omitempty"` // before the @; mandatory with a default mailbox
	Shell          string `json:"shell,omitempty"`        // of new accounts; "" is what the offer says
	VirusScan      string `json:"virus_scan"`             // on, off, or default: what the offer says (C10)
	IMAP           string `json:"imap"`
}

// Words for a switch of new accounts.
const (
	On        = "on"
	Off       = "off"
	AsOffered = "default"
)

var mailboxName = regexp.MustCompile(`^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$`)

// Check records what is wrong with basic settings.
func (d *Defaults) Check(c *fault.Check) {
	c.Require(!d.DefaultMailbox || d.MailboxName != "", "mailbox_name", "is empty; each account gets a default mailbox, and it needs a name")
	c.Require(d.MailboxName == "" || mailboxName.MatchString(d.MailboxName) && !strings.Contains(d.MailboxName, ".."), "mailbox_name",
		"is %.80q; give 1 to 64 of a to z, digits, dot, dash and underscore, such as info", d.MailboxName)
	c.Require(d.Shell == "" || slices.Contains(Shells, d.Shell), "shell", "is %.40q; use one of %s", d.Shell, strings.Join(Shells, ", "))
	for field, word := range map[string]string{"virus_scan": d.VirusScan, "imap": d.IMAP} {
		c.Require(word == On || word == Off || word == AsOffered, field, "is %.40q; use on, off or default", word)
	}
}

// Values are what new accounts get above their offer.
func (d *Defaults) Values() Values {
	v := Values{}
	if d.Shell != "" {
		v[Shell] = Chosen(d.Shell)
	}
	for name, word := range map[string]string{VirusScan: d.VirusScan, IMAP: d.IMAP} {
		if word == On || word == Off {
			v[name] = Switched(word == On)
		}
	}
	return v
}
