package unix

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/steelyard/steelyard/agent/hosting/file"
	"github.com/steelyard/steelyard/pkg/fault"
)

// The numbers of hosted users. Debian gives 1000 to 59999 to people; adduser counts from 1000.
const (
	FirstID = 20000
	LastID  = 59999
)

// user is what is registered of one, in the file of his name.
type user struct {
	Name    string `json:"user"`
	Account string `json:"account"` // id
	UID     int    `json:"uid"`     // and gid
	Login   bool   `json:"login"`   // he may have processes of a login
	Going   bool   `json:"going"`   // his removal has begun
}

// registry is who is ours: State/users/NAME, and State/next-uid.
type registry struct {
	state     string
	users     map[string]*user  // by name; nil: not read yet
	byAccount map[string]string // name by account
	byID      map[int]string
	next      int
}

func (r *registry) dir() string     { return filepath.Join(r.state, "users") }
func (r *registry) counter() string { return filepath.Join(r.state, "next-uid") }

// read reads it once: nobody else writes it. A file that cannot be understood stops everything, because a number could be given twice.
func (r *registry) read() error {
	if r.users != nil {
		return nil
	}
	if err := standing(r.state, file.Owner{Mode: 0o711}); err != nil {
		return err
	}
	if _, err := file.Dir(r.dir(), file.Owner{Mode: 0o700}); err != nil {
		return err
	}
	entries, err := os.ReadDir(r.dir())
	if err != nil {
		return err
	}
	users, byAccount, byID, next := map[string]*user{}, map[string]string{}, map[int]string{}, FirstID
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			continue // what a crash left of a write
		}
		u, err := r.load(e.Name())
		if err != nil {
			return err
		}
		if other, double := byID[u.UID]; double {
			return fault.Internal("%s: %s and %s have the same number %d; ask whose files are whose before one is changed", r.dir(), other, u.Name, u.UID)
		}
		users[u.Name], byAccount[u.Account], byID[u.UID] = u, u.Name, u.Name
		next = max(next, u.UID+1)
	}
	raw, err := os.ReadFile(r.counter())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if n, err := strconv.Atoi(strings.TrimSpace(string(raw))); err == nil && n > FirstID && n <= LastID+1 {
		next = n
	}
	r.users, r.byAccount, r.byID, r.next = users, byAccount, byID, next
	return nil
}

// standing makes a directory that other parts use too; one that is there is left as it is.
func standing(path string, o file.Owner) error {
	if st, err := os.Stat(path); err == nil && st.IsDir() {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	_, err := file.Dir(path, o)
	return err
}

func (r *registry) load(name string) (*user, error) {
	path := filepath.Join(r.dir(), name)
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var u user
	if err := json.Unmarshal(raw, &u); err != nil || u.Name != name || u.Account == "" || u.UID < FirstID || u.UID > LastID {
		return nil, fault.Internal("%s is damaged: restore it, or find the number of the user from passwd: %v", path, err)
	}
	return &u, nil
}

// find gives the registered user of an account, nil when there is none. A name of another account, or another name of this account, is refused.
func (r *registry) find(account, name string) (*user, error) {
	if err := r.read(); err != nil {
		return nil, err
	}
	if other := r.byAccount[account]; other != "" && other != name {
		return nil, fault.Refused("account %s has the user %s here; the name of a user never changes", account, other)
	}
	u := r.users[name]
	if u != nil && u.Account != account {
		return nil, fault.Refused("the user %s belongs to account %s: its name is free when nothing of that is left", name, u.Account)
	}
	return u, nil
}

// add registers a user with a free number.
func (r *registry) add(account, name string, taken func(id int) bool) (*user, error) {
	id, err := r.free(taken)
	if err != nil {
		return nil, err
	}
	u, err := r.put(user{Name: name, Account: account, UID: id})
	if err != nil {
		return nil, err
	}
	return u, r.count(id + 1)
}

// count says which number is tried next. It is written after the user: a crash in between leaves the count at a number that is taken.
func (r *registry) count(next int) error {
	_, err := file.Write(r.counter(), []byte(strconv.Itoa(next)+"\n"), file.Root)
	if err == nil {
		r.next = next
	}
	return err
}

func (r *registry) free(taken func(id int) bool) (int, error) {
	const all = LastID - FirstID + 1
	for n := range all {
		id := FirstID + (r.next-FirstID+n)%all
		if r.byID[id] == "" && !taken(id) {
			return id, nil
		}
	}
	return 0, fault.Refused("no number from %d to %d is free for a user", FirstID, LastID)
}

// put writes what is registered of a user.
func (r *registry) put(u user) (*user, error) {
	raw, err := json.Marshal(u)
	if err != nil {
		return nil, err
	}
	if _, err := file.Write(filepath.Join(r.dir(), u.Name), append(raw, '\n'), file.Root); err != nil {
		return nil, err
	}
	r.users[u.Name], r.byAccount[u.Account], r.byID[u.UID] = &u, u.Name, u.Name
	return &u, nil
}

// pass counts past the number of a user, which a crash may have kept it from.
func (r *registry) pass(u *user) error {
	if r.next != u.UID {
		return nil
	}
	return r.count(u.UID + 1)
}

// strike takes a user out.
func (r *registry) strike(u *user) error {
	if err := r.pass(u); err != nil {
		return err
	}
	if _, err := file.Remove(filepath.Join(r.dir(), u.Name)); err != nil {
		return err
	}
	delete(r.users, u.Name)
	delete(r.byAccount, u.Account)
	delete(r.byID, u.UID)
	return nil
}

// plain is a home without a quota of its own.
type plain struct{}

func (plain) Make(path string, o file.Owner) error {
	_, err := file.Dir(path, o)
	return err
}

func (plain) Remove(ctx context.Context, path string) error {
	_, err := file.RemoveAll(ctx, path)
	return err
}
