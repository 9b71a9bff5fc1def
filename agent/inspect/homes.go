package inspect

import (
	"context"
	"path"
	"strconv"

	"github.com/steelyard/steelyard/protocol"
)

// homes finds what is in /home, whoever has it, and the homes of accounts elsewhere.
func homes(ctx context.Context, m *machine) ([]protocol.Found, string, error) {
	var a all
	seen := map[string]bool{}
	look := func(p string) {
		if p = path.Clean(p); seen[p] || p == "/" || p == "." {
			return
		}
		seen[p] = true
		info, err := m.stat(p)
		if err != nil || info == nil {
			a.add(nil, err)
			return
		}
		uid, name := m.owner(info)
		a.add([]protocol.Found{thing(p, "", name, p, strconv.Itoa(uid))}, nil)
	}
	names, err := m.list("/home")
	a.add(nil, err)
	for _, name := range names {
		if ctx.Err() != nil {
			break
		}
		if name != "lost+found" {
			look("/home/" + name)
		}
	}
	for _, p := range m.accounts {
		if ctx.Err() != nil {
			break
		}
		if path.IsAbs(p.home) {
			look(p.home)
		}
	}
	return a.found, "/home and the homes in /etc/passwd", a.err(ctx)
}
