package site

import (
	"strings"

	"github.com/steelyard/steelyard/agent/hosting/part"
	"github.com/steelyard/steelyard/protocol"
)

// Kinds of what is under a name.
const (
	static    = "static"    // files, and no scripts
	withPHP   = "php"       // files and scripts
	redirect  = "redirect"  // the account's domain is told
	suspended = "suspended" // a notice
)

// lines are an account's part of the table of names: for each name kind, user and directory below the home, and for a redirect where it leads. All texts were checked: none has a meaning
// to nginx.
func (o *Options) lines(a *part.Account, n names, php bool) string {
	var b strings.Builder
	b.WriteString("# Made by steelyard-agent for " + a.User + ". What is changed here is overwritten.\n")
	line := func(name, kind, dir, target string) {
		if a.State == protocol.HostedSuspended {
			kind, dir, target = suspended, "htdocs", ""
		}
		b.WriteString(name + " \"" + kind + " " + a.User + " " + dir + target + "\";\n")
	}
	kind := static
	if php {
		kind = withPHP
	}
	for _, name := range n.main {
		line(name, kind, "htdocs", "")
	}
	for _, sub := range n.subs {
		line(sub[0], kind, "sub/"+sub[0], "")
	}
	for _, name := range n.redirects {
		line(name, redirect, "htdocs", " "+a.Domain)
	}
	return b.String()
}
