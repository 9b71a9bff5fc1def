package site

import (
	"strconv"
	"strings"

	"github.com/steelyard/steelyard/agent/hosting/part"
	"github.com/steelyard/steelyard/protocol"
)

// notice is what visitors of a suspended account see: nothing of the customer's.
const notice = `<!doctype html><html lang=en><meta charset=utf-8><title>Not available</title><h1>This site is not available</h1><p>Please come back later.</p></html>`

// block writes server blocks. All texts that it gets were checked: none has a meaning to nginx.
type block struct {
	strings.Builder
	o    *Options
	user string
}

func (b *block) line(parts ...string) {
	b.WriteByte('\t')
	for i, p := range parts {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(p)
	}
	b.WriteString(";\n")
}

// open begins a block that answers to these names.
func (b *block) open(names []string) {
	b.WriteString("server {\n")
	for _, address := range b.o.Listen {
		b.line("listen", address)
	}
	b.line(append([]string{"server_name"}, names...)...)
	b.line("access_log", b.o.Layout.LogsOf(b.user)+"/access.log", "steelyard")
}

func (b *block) end() { b.WriteString("}\n") }

// blocks are the server blocks of an account; php tells whether it has a pool.
func (o *Options) blocks(a *part.Account, n names, php bool) string {
	b := &block{o: o, user: a.User}
	b.WriteString("# Made by steelyard-agent for " + a.User + ". What is changed here is overwritten.\n")
	if a.State == protocol.HostedSuspended {
		b.suspended(n)
		return b.String()
	}
	b.site(n.main, o.Layout.Htdocs(a.User), php)
	for _, sub := range n.subs {
		b.site(sub, o.Layout.Subdomain(a.User, sub[0]), php)
	}
	if len(n.redirects) > 0 {
		b.open(n.redirects)
		b.line("return", "301", "http://"+a.Domain+"$request_uri") // as it was asked for, with its query
		b.end()
	}
	return b.String()
}

func (b *block) suspended(n names) {
	b.open(n.all())
	b.line("default_type", "text/html")
	b.line("return", "503", "'"+notice+"'")
	b.end()
}

// site shows a directory. "from" leaves the directories above alone, which are root's.
func (b *block) site(names []string, root string, php bool) {
	b.open(names)
	b.line("error_log", b.o.Layout.LogsOf(b.user)+"/error.log") // not in the other blocks: nginx compares each log with all others
	b.line("root", root)
	b.line("disable_symlinks", "if_not_owner", "from="+root)
	b.line("client_max_body_size", strconv.Itoa(b.o.Body)+"m")
	if !php {
		b.line("index", "index.html", "index.htm")
		b.WriteString("\tlocation ~* (/\\.(?!well-known/)|\\.(php[0-9]?|phtml|phar)$) { return 403; }\n")
		b.end()
		return
	}
	b.line("index", "index.php", "index.html", "index.htm")
	b.line("try_files", "$uri", "$uri/", "/index.php$is_args$args") // what no file has is the application's to answer
	b.WriteString("\tlocation ~ /\\.(?!well-known/) { return 403; }\n")
	b.WriteString("\tlocation ~* \\.(php[0-9]?|phtml|phar)$ { try_files $uri =404; fastcgi_pass unix:" + b.o.PHP.socket(b.user) + "; }\n")
	b.end()
}
