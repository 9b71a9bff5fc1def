package part

import "path/filepath"

// Layout is where a node keeps what belongs to accounts.
//
//	Homes/USER           root:USER     0751  cannot be renamed or removed by the customer; the FTP logins are confined to it
//	Homes/USER/htdocs    USER:web      2750  the site; web is the group of the web server's workers
//	Homes/USER/sub/NAME  USER:web      2750  a subdomain's site; sub is root:root 0755
//	Homes/USER/private   USER:USER     0700  the home directory in passwd: what no site shows
//	Homes/USER/tmp       USER:USER     0700  sessions and uploads of PHP
//	Logs/USER            root:USER     0751  access log of the sites, which the web server's workers write, and error log of scripts; outside of the home, so that a full home loses no line
//	Logs/*.log           root:root     0600  what traffic is counted by
//	Mail/DOMAIN/LOCAL    vmail:vmail   0700  Maildirs, of a user of their own: mail never fills the quota of the home (rule C20)
//	State                root:root     0711  below it what parts remember (root:root 0700), and the maps that daemons read (0750, with the group of its daemon)
type Layout struct {
	Homes string // "/srv/hosting"
	Mail  string // "/srv/mail"
	Logs  string // "/var/log/steelyard-hosting"
	State string // "/etc/steelyard-hosting"
}

// Standard is the layout of a node.
var Standard = Layout{Homes: "/srv/hosting", Mail: "/srv/mail", Logs: "/var/log/steelyard-hosting", State: "/etc/steelyard-hosting"}

// Home of a user. The name was checked (protocol.UserName).
func (l Layout) Home(user string) string { return filepath.Join(l.Homes, user) }

// Htdocs of a user's site.
func (l Layout) Htdocs(user string) string { return filepath.Join(l.Homes, user, "htdocs") }

// Subdomain is the directory of a subdomain's site.
func (l Layout) Subdomain(user, domain string) string {
	return filepath.Join(l.Homes, user, "sub", domain)
}

// Private is the home directory in passwd.
func (l Layout) Private(user string) string { return filepath.Join(l.Homes, user, "private") }

// Temporary is for sessions and uploads.
func (l Layout) Temporary(user string) string { return filepath.Join(l.Homes, user, "tmp") }

// LogsOf a user's sites.
func (l Layout) LogsOf(user string) string { return filepath.Join(l.Logs, user) }
