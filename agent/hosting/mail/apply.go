package mail

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/steelyard/steelyard/agent/hosting/daemon"
	"github.com/steelyard/steelyard/agent/hosting/file"
	"github.com/steelyard/steelyard/pkg/fault"
)

// change is an account whose record is on its way.
type change struct{ to *record }

// edit is what happens to one map.
type edit struct {
	put  map[string]string
	drop map[string]bool
}

// apply brings maps and sessions to where the records say, then says in the records that it is done.
func (p *Part) apply(ctx context.Context, waiting map[string]*change) error {
	edits := map[string]*edit{}
	for _, name := range allMaps {
		edits[name] = &edit{map[string]string{}, map[string]bool{}}
	}
	if err := p.missing(edits); err != nil {
		return err
	}
	for _, c := range waiting {
		c.to.edit(edits)
	}
	for _, name := range allMaps {
		if err := p.change(ctx, name, edits[name]); err != nil {
			return err
		}
	}
	if err := p.kickAll(ctx, waiting); err != nil {
		return err
	}
	for _, user := range slices.Sorted(maps.Keys(waiting)) {
		if err := p.settled(user, waiting[user].to); err != nil {
			return err
		}
	}
	return nil
}

// edit adds what the record has on its way.
func (r *record) edit(edits map[string]*edit) {
	stays := map[string]bool{}
	for _, l := range []lines{r.is, r.come} {
		for line := range l {
			if kind, name, key, _ := cut(line); kind == "map" {
				stays[name+" "+key] = true
			}
		}
	}
	for line := range r.come {
		if kind, name, key, value := cut(line); kind == "map" && edits[name] != nil {
			edits[name].put[key] = value
		}
	}
	for line := range r.gone {
		if kind, name, key, _ := cut(line); kind == "map" && edits[name] != nil && !stays[name+" "+key] {
			edits[name].drop[key] = true
		}
	}
}

// settled writes down that nothing is on its way.
func (p *Part) settled(user string, r *record) error {
	done := &record{id: r.id, is: maps.Clone(r.is)}
	maps.Copy(done.is, r.come)
	if len(done.is) == 0 {
		_, err := file.Remove(p.recordPath(user))
		return err
	}
	return p.keep(user, done)
}

// missing fills the edits of maps that are not there with what the records say.
func (p *Part) missing(edits map[string]*edit) error {
	lost := map[string]bool{}
	for _, name := range allMaps {
		if _, err := os.Stat(p.mapPath(name)); err != nil {
			lost[name] = true
			edits[name].put["none.invalid"] = "DUNNO" // makes the file; no mail goes there
		}
	}
	if len(lost) == 0 {
		return nil
	}
	users, err := os.ReadDir(p.dir("accounts"))
	if err != nil {
		return err
	}
	for _, u := range users {
		if strings.HasPrefix(u.Name(), ".") {
			continue
		}
		r, err := p.record(u.Name())
		if err != nil {
			return err
		}
		if r != nil {
			(&record{come: r.is}).fill(edits, lost)
		}
	}
	return nil
}

func (r *record) fill(edits map[string]*edit, lost map[string]bool) {
	for line := range r.come {
		if kind, name, key, value := cut(line); kind == "map" && lost[name] {
			edits[name].put[key] = value
		}
	}
}

func (p *Part) mapPath(name string) string { return p.dir("maps", name) + ".lmdb" }

// change edits one map: first what comes, so that nothing is missing in between, then what goes. What came is read back.
func (p *Part) change(ctx context.Context, name string, e *edit) error {
	if len(e.put) > 0 {
		var entries, keys strings.Builder
		for _, key := range slices.Sorted(maps.Keys(e.put)) {
			entries.WriteString(key + "\t" + e.put[key] + "\n")
			keys.WriteString(key + "\n")
			delete(e.drop, key)
		}
		if _, err := p.postmap(ctx, name, entries.String(), "-r", "-i"); err != nil {
			return err
		}
		file.Step("postmap " + name)
		got, err := p.postmap(ctx, name, keys.String(), "-q", "-")
		if err != nil {
			return err
		}
		if got != entries.String() {
			return fault.Internal("the map %s has other entries than were just written: look for somebody else who writes it", p.mapPath(name))
		}
	}
	if len(e.drop) > 0 {
		if _, err := p.postmap(ctx, name, strings.Join(slices.Sorted(maps.Keys(e.drop)), "\n")+"\n", "-d", "-"); err != nil {
			return err
		}
		file.Step("postmap -d " + name)
	}
	if len(e.put)+len(e.drop) == 0 {
		return nil
	}
	return syncFile(p.mapPath(name))
}

func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// postmap runs it on a map with these lines on its standard input. One says that it found none of the keys: success.
func (p *Part) postmap(ctx context.Context, name, input string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	args = append([]string{"-c", p.o.Postfix}, append(args, "lmdb:"+p.dir("maps", name))...)
	cmd := exec.CommandContext(ctx, p.o.Postmap, args...)
	var out, said bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.Dir, cmd.WaitDelay = strings.NewReader(input), &out, &said, "/", time.Second
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"}
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 1 && said.Len() == 0 {
		return out.String(), nil
	}
	if err != nil {
		return "", fault.Unavailable("postmap cannot change the map %s: %w: %s", p.mapPath(name), err, daemon.Last(strings.TrimSpace(said.String()), 300))
	}
	return out.String(), nil
}
