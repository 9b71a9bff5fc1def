package site

import (
	"bufio"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/steelyard/steelyard/pkg/fault"
)

// claims are which user has which name on this node. The controller keeps names apart in the whole fleet (rule X14); nginx would silently
// show the first of two, so that a mistake could show one customer's visitors the site of another.
type claims struct {
	dir    string            // of the files that are served
	user   map[string]string // by name; nil not read yet
	byUser map[string][]string
}

// take gives a user exactly these names, unless one of them is somebody else's.
func (c *claims) take(user string, names []string) error {
	if err := c.read(); err != nil {
		return err
	}
	for _, name := range names {
		if other := c.user[name]; other != "" && other != user {
			return fault.Conflict("%s is served on this node for the user %s; it can be this account's when that one has it no more", name, other)
		}
	}
	if slices.Equal(c.byUser[user], names) {
		return nil
	}
	c.leave(user)
	c.add(user, names)
	return nil
}

func (c *claims) add(user string, names []string) {
	for _, name := range names {
		c.user[name] = user
	}
	c.byUser[user] = names
}

// leave frees all names of a user.
func (c *claims) leave(user string) {
	for _, name := range c.byUser[user] {
		delete(c.user, name)
	}
	delete(c.byUser, user)
}

// forget lets the names be read again from what is served.
func (c *claims) forget() { c.user, c.byUser = nil, nil }

func (c *claims) read() error {
	if c.user != nil {
		return nil
	}
	files, err := filepath.Glob(filepath.Join(c.dir, "*.conf"))
	if err != nil {
		return err
	}
	c.user, c.byUser = make(map[string]string, 4*len(files)), make(map[string][]string, len(files))
	for _, path := range files {
		names, err := namesIn(path)
		if err != nil {
			c.forget()
			return err
		}
		c.add(strings.TrimSuffix(filepath.Base(path), ".conf"), names)
	}
	return nil
}

// list is what nginx is told of all names: which requests are for the server of the accounts. The names of one account stand in one line.
func (c *claims) list() (string, error) {
	if err := c.read(); err != nil {
		return "", err
	}
	var b strings.Builder
	for _, user := range slices.Sorted(maps.Keys(c.byUser)) {
		b.WriteString("server_name " + strings.Join(c.byUser[user], " ") + ";\n")
	}
	return b.String(), nil
}

// namesIn are the names in a file that [Options.lines] wrote, sorted.
func namesIn(path string) ([]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var names []string
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if name, _, ok := strings.Cut(lines.Text(), " "); ok && name != "#" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, lines.Err()
}
