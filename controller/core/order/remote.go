package order

import (
	"crypto/x509"
	"encoding/pem"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/logging"
)

// States of the connection with a remote module's backend.
const (
	RemoteConnected   = "connected"
	RemoteUnreachable = "unreachable" // it does not answer
	RemoteDenied      = "denied"      // it does not let us in any more
	RemoteChanged     = "changed"     // another fleet or generation answers; nothing is asked of it (rule B3)
)

// Remote is how things stand with the backend of a remote module. It is a record of its own
// beside the module, so that what people set up and what was seen are apart.
type Remote struct {
	Module       string        `json:"module"`
	Fleet        string        `json:"fleet"`          // which fleet answers there
	Generation   string        `json:"generation"`     // as the backend told it (rule B3)
	Token        access.Sealed `json:"token,omitzero"` // opens its API; the password is not kept
	TokenAt      time.Time     `json:"token_at,omitzero"`
	TokenExpires time.Time     `json:"token_expires,omitzero"`
	State        string        `json:"state" enum:"connected,unreachable,denied,changed"`
	Message      string        `json:"message,omitempty"`
	Since        time.Time     `json:"since"`   // of the state
	SeenAt       time.Time     `json:"seen_at"` // when it last answered; a few minutes coarse
}

// States of an order's counterpart.
const (
	RemotePlacing     = "placing"     // it may be there or not: our record came first
	RemotePlaced      = "placed"      // it is there
	RemoteWithdrawing = "withdrawing" // it is to be gone there
	RemoteEnded       = "ended"       // it is gone there, or never came to be
)

// RemoteOrder is the counterpart of an order at a remote module. The zero value is none.
type RemoteOrder struct {
	Module  string    `json:"module,omitempty"`
	Attempt int       `json:"attempt,omitempty"` // counts the counterparts that this order had
	State   string    `json:"state,omitempty" enum:"placing,placed,withdrawing,ended"`
	Exact   bool      `json:"exact,omitempty"` // it takes no substitute
	Image   string    `json:"image,omitempty"` // id there
	TriedAt time.Time `json:"tried_at,omitzero"`
	Order   string    `json:"order,omitempty"`   // id there
	Service string    `json:"service,omitempty"` // id there
	Server  string    `json:"server,omitempty"`  // id there
	SeenAt  time.Time `json:"seen_at,omitzero"`
	Rests   string    `json:"rests,omitempty"` // module that had no server after all; asked again after a while
}

// RemoteService is the counterpart of a service at a remote module. The zero value is none.
type RemoteService struct {
	Module  string    `json:"module,omitempty"`
	Service string    `json:"service,omitempty"` // id there
	Server  string    `json:"server,omitempty"`  // id there
	State   string    `json:"state,omitempty"`   // of the service there
	SeenAt  time.Time `json:"seen_at,omitzero"`
	Wish    string    `json:"wish,omitempty" enum:"stop,resume,delete,power"` // asked of it until it is so
	Action  string    `json:"action,omitempty"`                               // of wish power
	Reason  string    `json:"reason,omitempty"`                               // of the wish
	Asked   bool      `json:"asked,omitempty"`                                // it took the wish
	Before  time.Time `json:"before,omitzero"`                                // wish power: its last change before it was asked
	Refused string    `json:"refused,omitempty"`                              // why the last wish came to nothing there
}

// InUse reports whether a remote module still has something of this order: then
// its backend cannot be exchanged, and the module not deleted.
func (o *Order) InUse(svc *Service) bool {
	switch {
	case o.Remote.Module == "" || o.Remote.State == RemoteEnded:
		return false
	case o.State == Canceled:
		return true
	}
	return svc == nil || svc.State != ServiceDeleted
}

// RemoteReference is the name of an order's present counterpart, the same however often it is
// asked for.
func RemoteReference(o *Order) string { return o.ID + "." + strconv.Itoa(o.Remote.Attempt) }

// OrderOfReference is the order that a reference was made for; "" when it is of another kind.
func OrderOfReference(reference string) string {
	id, attempt, ok := strings.Cut(reference, ".")
	if n, err := strconv.Atoi(attempt); !ok || err != nil || n < 1 || !strings.HasPrefix(id, "ord-") {
		return ""
	}
	return id
}

// MaxReference bounds a reference, in bytes.
const MaxReference = 128

// CheckReference records a reference that is too long or not printable ASCII.
func CheckReference(c *fault.Check, field, reference string) {
	bad := strings.ContainsFunc(reference, func(r rune) bool { return r <= ' ' || r > '~' || r == '/' })
	c.Require(!bad && len(reference) <= MaxReference, field, "must be at most %d printable ASCII characters without spaces and slashes", MaxReference)
}

// RemoteTaskKey is the dedupe key of the task about a remote module's backend.
func RemoteTaskKey(moduleID string) string { return "remote/" + moduleID }

// RemoteServiceKey is the dedupe key of the task about a service at a remote module.
func RemoteServiceKey(serviceID string) string { return "remote-service/" + serviceID }

const (
	maxURL = 300
	maxCA  = 64 << 10
)

// checkRemote records what is wrong with the fields of a remote module, and those of
// another kind that do not belong there.
func (m Module) checkRemote(c *fault.Check) {
	if m.Kind != ModuleRemote {
		for name, value := range map[string]string{"url": m.URL, "username": m.Username, "ca": m.CA, "remote_module": m.RemoteModule} {
			c.Require(value == "", name, "is only for modules of kind %q", ModuleRemote)
		}
		return
	}
	CheckURL(c, "url", m.URL)
	CheckName(c, "username", m.Username)
	if m.RemoteModule != "" {
		CheckName(c, "remote_module", m.RemoteModule)
	}
	checkAuthorities(c, m.CA)
}

// CheckURL records an address that is not https with a domain name or an address that is
// no special one. Which private addresses are allowed is decided when it is dialled.
func CheckURL(c *fault.Check, field, text string) {
	u, err := url.Parse(text)
	switch {
	case text == "":
		c.Add(field, "is empty; give the other controller's address: https://steelyard.example.net")
	case err != nil || len(text) > maxURL || u.Host == "":
		c.Add(field, "is no address; give for example https://steelyard.example.net:8080")
	case u.Scheme != "https":
		c.Add(field, "must begin with https://, so that nobody reads the password on its way")
	case u.User != nil || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "":
		c.Add(field, "has more than host and port; leave the rest out")
	default:
		checkHost(c, field, u)
	}
}

func checkHost(c *fault.Check, field string, u *url.URL) {
	if port := u.Port(); port != "" {
		n, err := strconv.Atoi(port)
		c.Require(err == nil && 0 < n && n < 65536, field, "has no port from 1 to 65535")
	}
	host := u.Hostname()
	if _, err := netip.ParseAddr(host); err == nil {
		return
	}
	CheckHostname(c, field, host)
}

func checkAuthorities(c *fault.Check, text string) {
	if text == "" {
		return
	}
	if len(text) > maxCA {
		c.Add("ca", "is larger than %d KiB", maxCA>>10)
		return
	}
	found := 0
	for rest := []byte(text); ; found++ {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if _, err := x509.ParseCertificate(block.Bytes); block.Type != "CERTIFICATE" || err != nil {
			c.Add("ca", "holds something else than certificates in PEM format")
			return
		}
	}
	c.Require(found > 0, "ca", "holds no certificate in PEM format")
}

// RemoteLogin is what a person says of a backend.
type RemoteLogin struct {
	URL, Username, CA string
	Password          logging.Secret
	Module            string // there, by name or id; "": the only one there is
	ByServerType      bool   // of the module here
	Generation        string // that the location was made for
	Name              string // of the module here; how the token is called there
}

// RemoteSession is what a login there gives.
type RemoteSession struct {
	Fleet, Generation string
	Module            string // id there
	Token             logging.Secret
	Expires           time.Time
}

// SameBackend reports whether two modules log in at the same place as the same user, so that the token of
// one may be used by the other.
func (m Module) SameBackend(o Module) bool {
	return m.URL == o.URL && m.Username == o.Username && m.CA == o.CA && m.RemoteModule == o.RemoteModule
}
