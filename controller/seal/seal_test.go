package seal

import (
	"bytes"
	"encoding/base64"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/controller/store/embedded/etcdtest"
	"github.com/steelyard/steelyard/pkg/fault"
)

func TestX9_NoStoredByteIsASecretAndEveryReplicaOpensIt(t *testing.T) {
	b, a := backend(t), newAuthority(t)
	one, _ := join(t, b, a)
	one.mustKeep("srv-1", "open sesame, please")
	one.mustKeep("srv-2", "open sesame, please")
	all := dump(t, b)
	for _, s := range []string{"open sesame", base64.StdEncoding.EncodeToString([]byte("open sesame, please"))[:12]} {
		if strings.Contains(all, s) {
			t.Errorf("the store holds %q:\n%s", s, all)
		}
	}
	two, _ := join(t, b, a)
	for _, r := range []*replica{one, two} {
		if got, err := r.password("srv-1"); err != nil || got != "open sesame, please" {
			t.Errorf("the password is %q, %v", got, err)
		}
	}
	first, _ := store.BMCs.View(one.store, "srv-1")
	second, _ := store.BMCs.View(one.store, "srv-2")
	if bytes.Equal(first.Password.Box[12:], second.Password.Box[12:]) {
		t.Error("one password twice gives the same box")
	}
	if len(one.List()) != 1 {
		t.Errorf("two secrets made the keys %+v", one.List())
	}
}

func TestX9_AnotherAuthorityOpensNothingAndSealsNothing(t *testing.T) {
	b := backend(t)
	one, _ := join(t, b, newAuthority(t))
	one.mustKeep("srv-1", "open sesame")
	stranger, _ := join(t, b, newAuthority(t))
	if got, err := stranger.password("srv-1"); !fault.Is(err, fault.KindUnavailable) || got != "" {
		t.Errorf("a stranger reads %q, %v", got, err)
	}
	if err := stranger.keep("srv-2", "x"); !fault.Is(err, fault.KindUnavailable) || !strings.Contains(err.Error(), "authority") {
		t.Errorf("a stranger seals: %v", err)
	}
	if list := stranger.List(); len(list) != 1 || list[0].Readable {
		t.Errorf("a stranger is told %+v", list)
	}
	// What the data keys themselves are wrapped for is bound, too.
	other := one.newKey("x", time.Now())
	other.Wrapped = one.newKey("y", time.Now()).Wrapped
	if _, err := one.opened(other); err == nil {
		t.Error("a data key opens under the name of another one")
	}
}

func TestX9_ABoxOpensOnlyWhereItWasSealed(t *testing.T) {
	r, _ := join(t, backend(t), fixed("a"))
	r.mustKeep("srv-1", "open sesame")
	r.mustKeep("srv-2", "other")
	r.change(func(tx *store.Tx) error { // somebody with etcd in hands swaps two boxes
		one, _ := store.BMCs.Get(tx, "srv-1")
		two, _ := store.BMCs.Get(tx, "srv-2")
		one.Password, two.Password = two.Password, one.Password
		if err := store.BMCs.Put(tx, "srv-1", one); err != nil {
			return err
		}
		return store.BMCs.Put(tx, "srv-2", two)
	})
	for _, id := range []string{"srv-1", "srv-2"} {
		if got, err := r.password(id); !fault.Is(err, fault.KindRefused) || got != "" {
			t.Errorf("%s opens a box of the other: %q, %v", id, got, err)
		}
	}
	bmc, _ := store.BMCs.View(r.store, "srv-1")
	if _, err := r.Unseal("bmcs/srv-2/community", bmc.Password); !fault.Is(err, fault.KindRefused) {
		t.Errorf("another field opens it: %v", err)
	}
	for i := range bmc.Password.Box {
		bad := access.Sealed{Key: bmc.Password.Key, Box: bytes.Clone(bmc.Password.Box)}
		bad.Box[i] ^= 1
		if _, err := r.Unseal("bmcs/srv-2/password", bad); err == nil {
			t.Fatalf("a box opens with byte %d changed", i)
		}
		if _, err := r.Unseal("bmcs/srv-2/password", access.Sealed{Key: bad.Key, Box: bmc.Password.Box[:i]}); err == nil {
			t.Fatalf("a box of %d bytes opens", i)
		}
	}
	if _, err := r.Unseal("bmcs/srv-2/password", bmc.Password); err != nil {
		t.Errorf("where it was sealed: %v", err)
	}
	if _, err := r.Unseal("bmcs/srv-1/password", access.Sealed{}); !fault.Is(err, fault.KindNotFound) {
		t.Errorf("no secret: %v", err)
	}
}

func TestX9_SecretsHaveALimit(t *testing.T) {
	r, _ := join(t, backend(t), fixed("a"))
	for _, n := range []int{0, MaxSecret + 1} {
		_, err := r.store.Change(t.Context(), func(tx *store.Tx) error {
			_, err := r.Seal(tx, "bmcs/x/password", make([]byte, n))
			return err
		})
		if !fault.Is(err, fault.KindInvalid) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

// Every access.Sealed in a table is in fields.go, or rotation would leave it.
func TestX9_EverySealedFieldIsDeclared(t *testing.T) {
	known := map[string]bool{}
	for _, h := range declared {
		table, field := h.place()
		known[table+"."+field] = true
	}
	found := 0
	for table, record := range store.Tables() {
		sealedIn(record, table, map[reflect.Type]bool{}, func(path string) {
			found++
			if !known[path] {
				t.Errorf("%s is sealed, but not declared; add it to fields.go", path)
			}
		})
	}
	if found != len(declared) || found < 4 {
		t.Errorf("%d fields are sealed, %d are declared", found, len(declared))
	}
}

func sealedIn(t reflect.Type, path string, seen map[reflect.Type]bool, tell func(string)) {
	switch {
	case t == reflect.TypeFor[access.Sealed]():
		tell(path)
		return
	case seen[t]:
		return
	}
	seen[t] = true
	defer delete(seen, t)
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		sealedIn(t.Elem(), path, seen, tell)
	case reflect.Struct:
		for i := range t.NumField() {
			name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
			sealedIn(t.Field(i).Type, path+"."+name, seen, tell)
		}
	}
}

func TestX9_RotationOnARealEtcd(t *testing.T) {
	b := etcdtest.Single(t).KV()
	r, _ := join(t, b, fixed("a"))
	r.fleet(5)
	r.begin()
	if err := r.finish(); err != nil {
		t.Fatal(err)
	}
	r.whole(5)
	if all := dump(t, b); strings.Contains(all, "password-of") {
		t.Error("a secret is in the store")
	}
}
