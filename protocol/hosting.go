package protocol

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
)

// States that a hosted account shall have.
const (
	HostedPresent   = "present"
	HostedSuspended = "suspended" // everything is kept, nothing is served: sites show a notice, nobody logs in, mail is kept back
	HostedGone      = "gone"      // nothing of it shall be left. Only this removes: an account that is not named is left alone (rule X5)
)

// Shells of a hosted account (rule C16).
const (
	ShellFalse   = "/bin/false" // no SSH; FTP works
	ShellLimited = "/bin/shell" // SSH with limits of processor time and processes, where the node has it
	ShellBash    = "/bin/bash"
)

// Shells lists them, the least first.
var Shells = []string{ShellFalse, ShellLimited, ShellBash}

// HostedAccount is what shall be of one account on a node: a document that the controller owns and the node makes true. A limit that is nil is
// none; 0 is a real zero (rule X12). Domain names are in lower case and punycode.
type HostedAccount struct {
	ID      string `json:"id"`
	Version uint64 `json:"version"` // grows with each change; the node refuses an older one
	State   string `json:"state"`   // HostedPresent, HostedSuspended or HostedGone
	User    string `json:"user"`    // name of the Unix user, of the first FTP login and of the database user; never changes

	Password string  `json:"password,omitempty"` // of system and FTP: sha512-crypt, as crypt(5) has it; "" nobody logs in
	Shell    string  `json:"shell,omitempty"`    // one of Shells
	DiskMiB  *uint64 `json:"disk_mib,omitempty"` // that the user's own files may take
	// WatchMiB is where DiskMiB is none: a limit at which the node stops nothing and the controller may act, so that the node tells soon when it is passed (rule P18).
	WatchMiB *uint64 `json:"watch_mib,omitempty"`

	Domain     string          `json:"domain,omitempty"` // www.Domain belongs to it too
	PHP        bool            `json:"php,omitempty"`
	Subdomains []string        `json:"subdomains,omitempty"` // names of further sites, each with a directory of its own
	Forwards   []HostedForward `json:"forwards,omitempty"`   // names that lead to this account's site (rule C18)

	FTPLogins []HostedLogin `json:"ftp_logins,omitempty"` // beside the user's own

	IMAP      bool            `json:"imap,omitempty"` // without it mail is read by POP3 only
	VirusScan bool            `json:"virus_scan,omitempty"`
	Mailboxes []HostedMailbox `json:"mailboxes,omitempty"`
	Lists     []HostedList    `json:"lists,omitempty"`
	// MailboxesGone are addresses whose mail shall be erased. A mailbox that is named nowhere takes no mail and lets nobody in, but its mail is kept (rule X5).
	MailboxesGone []string `json:"mailboxes_gone,omitempty"`

	Databases        []string `json:"databases,omitempty"`         // names, each begins with User and "_"
	DatabasesGone    []string `json:"databases_gone,omitempty"`    // that shall be erased. One that is named nowhere lets nobody in, but is kept (rule X5)
	DatabasePassword string   `json:"database_password,omitempty"` // of the database user: mysql_native_password, "*" and 40 hex digits; "" nobody logs in
	DatabasesShrink  bool     `json:"databases_shrink,omitempty"`  // over the limit: what is there can be read and deleted, nothing is added (rule P18)
}

// HostedForward is a domain name that leads to the site of the account (rule C18). Its www. name belongs to it too.
type HostedForward struct {
	Domain   string `json:"domain"`
	Redirect bool   `json:"redirect,omitempty"` // answered with 301 to the site; otherwise an alias, which shows the site under this name
}

// HostedLogin is a further FTP login.
type HostedLogin struct {
	Name     string `json:"name"`     // User, "_" and a word
	Password string `json:"password"` // sha512-crypt
	Dir      string `json:"dir"`      // below the home of the user, relative, without dots; "" the home
}

// HostedMailbox is a mailbox.
type HostedMailbox struct {
	Address  string  `json:"address"`  // local part and a domain of the account: Domain, a subdomain or an alias
	Password string  `json:"password"` // sha512-crypt; "" nobody logs in, mail is kept
	QuotaMiB *uint64 `json:"quota_mib,omitempty"`
}

// HostedList is a mailing list: what is sent to it is passed on to its members.
type HostedList struct {
	Address string   `json:"address"`
	Members []string `json:"members"`
	Owner   string   `json:"owner,omitempty"` // address that is told what could not be delivered to a member; "" nobody
}

// HostedSet tells a node what shall be of some of its accounts. After a session begins the controller sends all whose version the node did not
// name; Complete is true in the last frame of that, which names All accounts of the node: what else the node has is a left-over, is told, and is left alone.
type HostedSet struct {
	Accounts []HostedAccount `json:"accounts"`
	Complete bool            `json:"complete,omitempty"`
	All      []string        `json:"all,omitempty"`  // ids; only with Complete
	Tell     []string        `json:"tell,omitempty"` // ids of which the controller has another result, or none, than the node said; only with Complete
}

// States of a hosted account, or of one part of it, as the node reports them.
const (
	HostedWaiting = "waiting" // not begun
	HostedWorking = "working"
	HostedDone    = "done"   // as it shall be, read back
	HostedFailed  = "failed" // tried, and tried again later
)

// HostedResult is how far a node is with one account.
type HostedResult struct {
	ID        string       `json:"id"`
	Version   uint64       `json:"version"`              // of the document that this is about
	State     string       `json:"state"`                // HostedWorking, HostedDone or HostedFailed
	Steps     []HostedStep `json:"steps"`                // one for each part of the node, in the order in which they are done
	LeftOvers []Found      `json:"left_overs,omitempty"` // of one that shall be gone: what could not be removed (rules C14, X15)
}

// HostedStep is how one part of an account is.
type HostedStep struct {
	Part    string `json:"part"`              // "user", "quota", "site", "ftp", "mail", "mysql"
	State   string `json:"state"`             // HostedWaiting … HostedFailed
	Message string `json:"message,omitempty"` // why it failed, for a person
}

// Component is a daemon or a property of a node, for a person.
type Component struct {
	Part    string `json:"part"`
	Name    string `json:"name"` // "nginx", "ext4 user quota"
	Version string `json:"version,omitempty"`
	Problem string `json:"problem,omitempty"` // why the part cannot do its work, and what to do; "" it can
}

// Provided is what a node can do for accounts (rules P9, P13). A property that is absent is not provided.
type Provided struct {
	Components []Component     `json:"components"`
	Switches   map[string]bool `json:"switches"` // "web", "php", "ftp", "mail", "imap", "virus_scan", "mailing_lists", "databases", "disk_quota", "ssh"
	Shells     []string        `json:"shells"`   // those of Shells that it has
}

// HostedReport tells the controller how a node is. Whatever it tells is the whole truth about what it names, so that a repetition changes
// nothing. It is repeated until HostedAck names its Seq.
type HostedReport struct {
	Seq       uint64         `json:"seq"`                 // grows within a session
	Provided  *Provided      `json:"provided,omitempty"`  // when it changed, and first in a session
	Results   []HostedResult `json:"results,omitempty"`   // at most MaxHostedResults
	Strangers []string       `json:"strangers,omitempty"` // ids of accounts that the node has and HostedSet.All did not name
	Told      bool           `json:"told,omitempty"`      // Strangers are all of them
}

// HostedHave opens a node's part of the session: which versions it has of which accounts. The controller answers with HostedSet.
type HostedHave struct {
	Accounts []HostedVersion `json:"accounts"`       // at most MaxHosted in one frame
	More     bool            `json:"more,omitempty"` // another frame follows
}

// HostedVersion is what one side has of an account.
type HostedVersion struct {
	ID      string `json:"id"`
	Version uint64 `json:"version"`          // of its document
	Result  string `json:"result,omitempty"` // HostedResult.Digest; "" none
}

// HostedAck says that a HostedReport is stored.
type HostedAck struct {
	Seq uint64 `json:"seq"`
}

// Bounds of what is said of accounts.
const (
	MaxHosted        = 2000 // accounts of one HostedHave, and results of one HostedReport
	MaxHostedResults = 200
	MaxHostedNodes   = 20000 // accounts of one node
	MaxLeftOvers     = 50    // of one account
	maxHostedText    = 400   // bytes of one message
)

// Digest tells two results apart.
func (r *HostedResult) Digest() string {
	text, err := json.Marshal(r)
	if err != nil { // only texts and numbers
		return ""
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// Clean bounds what an agent sent.
func (r *HostedReport) Clean() {
	r.Results = r.Results[:min(len(r.Results), MaxHostedResults)]
	for i := range r.Results {
		r.Results[i].Clean()
	}
	r.Strangers = r.Strangers[:min(len(r.Strangers), MaxHosted)]
	for i := range r.Strangers {
		r.Strangers[i] = hardware.CleanString(r.Strangers[i])
	}
	if r.Provided != nil {
		r.Provided.Clean()
	}
}

// Clean bounds one result.
func (r *HostedResult) Clean() {
	r.ID = hardware.CleanString(r.ID)
	r.Steps = r.Steps[:min(len(r.Steps), 32)]
	for i := range r.Steps {
		s := &r.Steps[i]
		s.Part, s.Message = hardware.CleanString(s.Part), short(s.Message)
		if !slices.Contains([]string{HostedWaiting, HostedWorking, HostedDone}, s.State) {
			s.State = HostedFailed
		}
	}
	if !slices.Contains([]string{HostedWorking, HostedDone}, r.State) {
		r.State = HostedFailed
	}
	r.LeftOvers = r.LeftOvers[:min(len(r.LeftOvers), MaxLeftOvers)]
	for i := range r.LeftOvers {
		f := &r.LeftOvers[i]
		f.Name, f.Detail, f.Owner, f.Identity = hardware.CleanString(f.Name), short(f.Detail), hardware.CleanString(f.Owner), hardware.CleanString(f.Identity)
	}
}

// Clean bounds what a node provides.
func (p *Provided) Clean() {
	p.Components = p.Components[:min(len(p.Components), 64)]
	for i := range p.Components {
		c := &p.Components[i]
		c.Part, c.Name, c.Version, c.Problem = hardware.CleanString(c.Part), hardware.CleanString(c.Name), hardware.CleanString(c.Version), short(c.Problem)
	}
	if len(p.Switches) > 64 {
		p.Switches = nil
	}
	p.Shells = slices.DeleteFunc(p.Shells[:min(len(p.Shells), 16)], func(s string) bool { return !slices.Contains(Shells, s) })
}

// short is text as a person reads it, of bounded length. CleanString alone may allow more than a message needs.
func short(text string) string {
	text = hardware.CleanString(text)
	for len(text) > maxHostedText {
		text = text[:maxHostedText]
		for len(text) > 0 && text[len(text)-1] >= 0x80 {
			text = text[:len(text)-1]
		}
	}
	return text
}

// Check is the fault of a document that no controller would send; the node touches nothing then.
func (a *HostedAccount) Check() error {
	var c fault.Check
	c.Require(a.ID != "" && a.ID == hardware.CleanString(a.ID) && len(a.ID) <= 64, "id", "is no id")
	c.Require(slices.Contains([]string{HostedPresent, HostedSuspended, HostedGone}, a.State), "state", "is %.20q", a.State)
	c.Require(UserName(a.User), "user", "is %.40q, which is no name of a hosted user", a.User)
	c.Require(a.Shell == "" || slices.Contains(Shells, a.Shell), "shell", "is %.40q", a.Shell)
	return c.Err("the account's document is wrong")
}

// UserName reports whether name may be that of a hosted user: 3 to 16 small letters and digits, a letter first.
func UserName(name string) bool {
	for i, r := range name {
		if (r < 'a' || r > 'z') && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return len(name) >= 3 && len(name) <= 16
}
