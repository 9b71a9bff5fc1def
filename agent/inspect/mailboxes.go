package inspect

import (
	"context"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"github.com/steelyard/steelyard/protocol"
)

// Bounds of the search for mail.
const (
	mailDepth = 4 // directories below a root: domain, a letter or two, account
	maxMail   = 400_000
)

// mailRoots are where mail usually is.
var mailRoots = []string{"/var/mail", "/var/spool/mail", "/var/vmail", "/var/lib/dovecot/vmail", "/srv/vmail", "/srv/mail"}

// mailboxes finds files and trees of mail, and the addresses that Postfix keeps in its maps.
func mailboxes(ctx context.Context, m *machine) ([]protocol.Found, string, error) {
	var a all
	roots := slices.Clone(mailRoots)
	more, maps, err := m.mailSettings()
	a.add(nil, err)
	for _, r := range more {
		if !slices.Contains(roots, r) {
			roots = append(roots, r)
		}
	}
	w := mailWalk{ctx: ctx, m: m, all: &a, seen: map[inode]bool{}}
	for _, r := range roots {
		w.walk(r, 0)
	}
	names, err := m.list("/home")
	a.add(nil, err)
	for _, name := range names {
		w.maildir("/home/" + name + "/Maildir")
	}
	for _, p := range m.accounts {
		if path.IsAbs(p.home) {
			w.maildir(path.Join(p.home, "Maildir"))
		}
	}
	how := "Maildirs and mail files below " + strings.Join(roots, ", ") + " and homes"
	for _, text := range maps {
		kind, file, _ := strings.Cut(text, ":")
		if !slices.Contains([]string{"hash", "btree", "lmdb", "texthash", "cdb", "dbm"}, kind) {
			how += "; the map " + kind + " of Postfix was not read"
			continue
		}
		content, err := m.read(file)
		a.add(nil, err)
		for _, key := range parseMap(content) {
			a.add([]protocol.Found{thing("address "+key, file, "", "postfix", file, key)}, nil)
		}
	}
	return a.found, how, a.err(ctx)
}

// mailWalk searches for mail below a root.
type mailWalk struct {
	ctx  context.Context
	m    *machine
	all  *all
	seen map[inode]bool
}

// inode is a file whatever its path.
type inode struct{ device, number uint64 }

func (w *mailWalk) walk(dir string, depth int) {
	if w.ctx.Err() != nil || w.maildir(dir) || !w.m.isDir(dir) {
		return
	}
	names, err := w.m.list(dir)
	w.all.add(nil, err)
	for _, name := range names {
		p := path.Join(dir, name)
		info, err := w.m.stat(p)
		switch {
		case err != nil || info == nil:
			w.all.add(nil, err)
		case info.IsDir() && depth < mailDepth:
			w.walk(p, depth+1)
		case info.Mode().IsRegular() && depth == 0 && info.Size() > 0: // mbox
			w.found(p)
		}
	}
}

// maildir reports whether a directory is one, and takes it.
func (w *mailWalk) maildir(dir string) bool {
	if !w.m.isDir(path.Join(dir, "cur")) || !w.m.isDir(path.Join(dir, "new")) {
		return false
	}
	w.found(dir)
	return true
}

func (w *mailWalk) found(p string) {
	info, err := w.m.stat(p)
	if err != nil || info == nil {
		w.all.add(nil, err)
		return
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || w.seen[inode{st.Dev, st.Ino}] { // /var/spool/mail is /var/mail
		return
	}
	w.seen[inode{st.Dev, st.Ino}] = true
	if len(w.seen) > maxMail {
		w.all.add(nil, fmt.Errorf("there are more than %d mailboxes", maxMail))
		return
	}
	_, owner := w.m.owner(info)
	w.all.add([]protocol.Found{thing(p, "", owner, p)}, nil)
}

// mailSettings reads where Dovecot and Postfix keep mail, and Postfix's maps of addresses.
func (m *machine) mailSettings() (roots, maps []string, err error) {
	var a all
	names, err := m.list("/etc/dovecot/conf.d")
	a.add(nil, err)
	files := []string{"/etc/dovecot/dovecot.conf"}
	for _, name := range names {
		if strings.HasSuffix(name, ".conf") {
			files = append(files, "/etc/dovecot/conf.d/"+name)
		}
	}
	for _, p := range files {
		text, err := m.read(p)
		a.add(nil, err)
		roots = append(roots, parseMailLocation(text)...)
	}
	text, err := m.read("/etc/postfix/main.cf")
	a.add(nil, err)
	base, more := parsePostfix(text)
	if base != "" {
		roots = append(roots, base)
	}
	return roots, more, a.err(context.Background())
}

var mailLocation = regexp.MustCompile(`(?m)^\s*(?:mail_location|mail_path|mail_home)\s*=\s*(?:[a-z]+:)?(/[^\s:%~]*)`)

// parseMailLocation finds the fixed part of where Dovecot keeps mail: "maildir:/var/vmail/%d/%n" is below /var/vmail.
func parseMailLocation(text []byte) (roots []string) {
	for _, found := range mailLocation.FindAllSubmatch(text, -1) {
		root := string(found[1])
		if !strings.HasSuffix(root, "/") { // "/srv/mail-%u": what is cut off is part of a name
			root = path.Dir(root)
		}
		if root = path.Clean(root); root != "/" && root != "/home" && root != "/var" {
			roots = append(roots, root)
		}
	}
	return roots
}

// parsePostfix finds where Postfix delivers virtual mailboxes, and their maps.
func parsePostfix(text []byte) (base string, maps []string) {
	joined := regexp.MustCompile(`\n[ \t]+`).ReplaceAllString(string(text), " ")
	for line := range strings.Lines(joined) {
		name, value, ok := strings.Cut(line, "=")
		if !ok || strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		switch strings.TrimSpace(name) {
		case "virtual_mailbox_base":
			if base = strings.TrimSpace(value); !path.IsAbs(base) || path.Clean(base) == "/" {
				base = ""
			}
		case "virtual_mailbox_maps", "virtual_alias_maps":
			for _, f := range strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\n' }) {
				if strings.Contains(f, ":") {
					maps = append(maps, f)
				}
			}
		}
	}
	return base, maps
}

// parseMap lists the keys of a map in text (postmap(1)).
func parseMap(text []byte) (keys []string) {
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t") || strings.HasPrefix(line, "#") {
			continue
		}
		if f := strings.Fields(line); len(f) > 0 {
			keys = append(keys, f[0])
		}
	}
	return keys
}
