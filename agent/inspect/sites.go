package inspect

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/steelyard/steelyard/protocol"
)

// Bounds of the configuration of one web server.
const (
	maxConfigFiles = 50_000
	maxConfigBytes = 64 << 20
	maxDepth       = 16 // of files that include files
)

// site is one virtual host: a server block of nginx or a VirtualHost of apache2.
type site struct {
	file  string
	names []string // sorted
	place string   // where it listens
}

// sites finds the virtual hosts that web servers are told of.
func sites(ctx context.Context, m *machine) ([]protocol.Found, string, error) {
	var a all
	var how []string
	for _, w := range []struct {
		name, main, root string
		parse            func(c *config, file, text string, depth int)
	}{
		{"nginx", "/etc/nginx/nginx.conf", "/etc/nginx", (*config).nginx},
		{"apache2", "/etc/apache2/apache2.conf", "/etc/apache2", (*config).apache},
		{"httpd", "/etc/httpd/conf/httpd.conf", "/etc/httpd", (*config).apache},
	} {
		c := config{ctx: ctx, m: m, root: w.root, parse: w.parse, seen: map[string]bool{}}
		c.file(w.main, 0)
		if len(c.seen) > 0 {
			how = append(how, w.name)
		}
		a.add(nil, errors.Join(c.errs...))
		for _, s := range c.sites {
			a.add([]protocol.Found{s.thing(w.name)}, nil)
		}
	}
	text := "no web server is configured"
	if len(how) > 0 {
		text = "the configuration of " + strings.Join(how, " and ")
	}
	return a.found, text, a.err(ctx)
}

func (s site) thing(server string) protocol.Found {
	name, detail := "the default of "+s.place, server+", "+s.file
	if len(s.names) > 0 {
		name = s.names[0]
	}
	if more := len(s.names) - 1; more > 0 {
		detail += fmt.Sprintf(", and %d more names", more)
	}
	return thing(name, detail, "", server, s.file, s.place, strings.Join(s.names, " "))
}

// config walks the files of one web server's configuration.
type config struct {
	ctx   context.Context
	m     *machine
	root  string // what relative names are relative to
	parse func(c *config, file, text string, depth int)
	seen  map[string]bool
	bytes int
	sites []site
	errs  []error
}

func (c *config) fail(format string, args ...any) {
	if len(c.errs) < maxTold {
		c.errs = append(c.errs, fmt.Errorf(format, args...))
	}
}

// file reads one file, once.
func (c *config) file(p string, depth int) {
	if p = path.Clean(p); c.seen[p] || c.ctx.Err() != nil {
		return
	}
	text, err := c.m.read(p)
	switch {
	case err != nil:
		c.fail("%w", err)
		return
	case text == nil:
		return
	case depth > maxDepth:
		c.fail("%s is included too deeply", p)
		return
	}
	c.seen[p] = true
	if c.bytes += len(text); c.bytes > maxConfigBytes || len(c.seen) > maxConfigFiles {
		c.fail("the configuration below %s is too large", c.root)
		return
	}
	c.parse(c, p, string(text), depth)
}

// include follows a pattern; it may have * in the name of a directory too.
func (c *config) include(pattern string, depth int) {
	if !path.IsAbs(pattern) {
		pattern = path.Join(c.root, pattern)
	}
	for _, p := range c.glob(path.Clean(pattern)) {
		if c.m.isDir(p) { // apache2 takes all that is in it
			names, err := c.m.list(p)
			if err != nil {
				c.fail("%w", err)
			}
			for _, name := range names {
				c.file(path.Join(p, name), depth+1)
			}
			continue
		}
		c.file(p, depth+1)
	}
}

// glob lists what fits a pattern, level by level.
func (c *config) glob(pattern string) []string {
	paths := []string{"/"}
	for _, part := range strings.Split(strings.TrimPrefix(pattern, "/"), "/") {
		var next []string
		for _, dir := range paths {
			if !strings.ContainsAny(part, "*?[") {
				next = append(next, path.Join(dir, part))
				continue
			}
			names, err := c.m.list(dir)
			if err != nil {
				c.fail("%w", err)
			}
			for _, name := range names {
				fits, bad := path.Match(part, name)
				if bad != nil {
					c.fail("%q is no pattern", part)
					return nil
				}
				if fits && (!strings.HasPrefix(name, ".") || strings.HasPrefix(part, ".")) {
					next = append(next, path.Join(dir, name))
				}
			}
		}
		if paths = next; len(paths) > maxConfigFiles {
			c.fail("%s fits too many files", pattern)
			return nil
		}
	}
	return paths
}

// hosted is where the agent keeps what nginx is told of hosted accounts: one server for all of them, which includes a list of their names, and one by which the agent asks what is loaded.
const hosted = "/etc/steelyard-hosting/nginx/"

// keep takes a virtual host. The agent's own servers are no sites; the names in its list are.
func (c *config) keep(s site) {
	if strings.HasPrefix(s.file, hosted) && (len(s.names) == 0 || strings.HasSuffix(s.names[0], ".invalid")) {
		return
	}
	slices.Sort(s.names)
	s.names = slices.Compact(s.names)
	c.sites = append(c.sites, s)
}

// nginx reads a file of nginx: words, each directive ended by a semicolon or followed by a block.
func (c *config) nginx(file, text string, depth int) {
	words := nginxWords{text: text}
	var blocks []string
	var open site // the server block that is read
	inside := 0   // level at which it began
	var directive []string
	for {
		word, kind := words.next()
		switch kind {
		case nginxEnd:
			if len(blocks) > 0 || len(directive) > 0 {
				c.fail("%s ends in the middle of a block", file)
			}
			return
		case nginxBad:
			c.fail("%s cannot be understood", file)
			return
		case nginxWord:
			directive = append(directive, word)
			continue
		case nginxOpen:
			name := ""
			if len(directive) > 0 {
				name = directive[0]
			}
			blocks = append(blocks, name)
			if name == "server" && len(directive) == 1 && inside == 0 && !slices.Contains(blocks, "upstream") {
				open, inside = site{file: file}, len(blocks)
			}
			if strings.HasSuffix(name, "_by_lua_block") { // another language: braces in it are told apart by nginx alone
				c.fail("%s has code in it, which is not understood", file)
				return
			}
		case nginxClose:
			if len(blocks) == 0 {
				c.fail("%s closes a block that is none", file)
				return
			}
			if len(blocks) == inside {
				c.keep(open)
				inside = 0
			}
			blocks = blocks[:len(blocks)-1]
		case nginxStop:
			if len(blocks) == 0 && len(directive) > 1 && directive[0] == "server_name" { // a list of names that a server includes
				c.keep(site{file: file, names: directive[1:]})
			}
			c.nginxDirective(directive, &open, len(blocks) == inside && inside > 0, depth)
		}
		directive = nil
	}
}

func (c *config) nginxDirective(d []string, open *site, server bool, depth int) {
	switch {
	case len(d) > 1 && d[0] == "include":
		c.include(d[1], depth)
	case len(d) > 1 && d[0] == "server_name" && server:
		open.names = append(open.names, d[1:]...)
	case len(d) > 1 && d[0] == "listen" && server && open.place == "":
		open.place = d[1]
	}
}

// Kinds of words in a file of nginx.
const (
	nginxEnd = iota
	nginxBad
	nginxWord
	nginxOpen
	nginxClose
	nginxStop
)

type nginxWords struct{ text string }

func (w *nginxWords) next() (string, int) {
	for {
		w.text = strings.TrimLeft(w.text, " \t\r\n")
		if !strings.HasPrefix(w.text, "#") {
			break
		}
		_, w.text, _ = strings.Cut(w.text, "\n")
	}
	if w.text == "" {
		return "", nginxEnd
	}
	switch w.text[0] {
	case '{', '}', ';':
		kind := map[byte]int{'{': nginxOpen, '}': nginxClose, ';': nginxStop}[w.text[0]]
		w.text = w.text[1:]
		return "", kind
	case '"', '\'':
		return w.quoted(w.text[0])
	}
	for i := 0; i < len(w.text); i++ {
		switch w.text[i] {
		case '\\':
			i++
		case '$':
			if strings.HasPrefix(w.text[i:], "${") { // a variable, not a block
				end := strings.IndexByte(w.text[i:], '}')
				if end < 0 {
					return "", nginxBad
				}
				i += end
			}
		case ' ', '\t', '\r', '\n', '{', ';':
			word := w.text[:i]
			w.text = w.text[i:]
			return word, nginxWord
		}
	}
	return "", nginxBad // the file ends in a word
}

func (w *nginxWords) quoted(quote byte) (string, int) {
	for i := 1; i < len(w.text); i++ {
		switch w.text[i] {
		case '\\':
			i++
		case quote:
			word := w.text[1:i]
			w.text = w.text[i+1:]
			return word, nginxWord
		}
	}
	return "", nginxBad
}

// apache reads a file of apache2: one directive a line.
func (c *config) apache(file, text string, depth int) {
	var open *site
	text = strings.ReplaceAll(text, "\\\n", " ")
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		args := make([]string, 0, len(fields)-1)
		for _, f := range fields[1:] {
			args = append(args, strings.Trim(f, `"'`))
		}
		switch name := strings.ToLower(fields[0]); {
		case name == "<virtualhost":
			open = &site{file: file, place: strings.TrimSuffix(strings.Join(args, " "), ">")}
		case strings.HasPrefix(name, "</virtualhost"):
			if open != nil {
				c.keep(*open)
			}
			open = nil
		case open != nil && (name == "servername" || name == "serveralias"):
			open.names = append(open.names, args...)
		case open == nil && (name == "include" || name == "includeoptional") && len(args) == 1:
			c.include(args[0], depth)
		case name == "serverroot" && len(args) == 1 && path.IsAbs(args[0]):
			c.root = path.Clean(args[0])
		}
	}
	if open != nil {
		c.fail("%s ends in the middle of a VirtualHost", file)
	}
}
