package owners

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestU2_ANameStaysWithTheOneWhoWentUntilAnotherHasIt(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	path := filepath.Join(t.TempDir(), "owners")
	open := func() *Owners {
		o, err := Open(path, func() time.Time { return now })
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	o := open()
	names := []string{"alice", "@alice.example"}
	taken, err := o.Learn(map[string][]string{"acc-1": names})
	if must(err); taken || !o.Known("acc-1", names) {
		t.Fatal("names that nobody has are not learned")
	}
	must(o.Tidy(nil)) // it is gone
	now = now.Add(Keep)
	o = open()
	must(o.Tidy(nil))
	if o.Map()["alice"] != "acc-1" {
		t.Fatal("the name is forgotten too early")
	}
	if taken, err = o.Learn(map[string][]string{"acc-2": names[:1]}); err != nil || !taken || o.Map()["alice"] != "acc-1" {
		t.Fatal("a name is taken away before the logs are read", err)
	}
	must(o.Hand(map[string][]string{"acc-2": names[:1]}))
	if o = open(); o.Map()["alice"] != "acc-2" || o.Map()["@alice.example"] != "acc-1" {
		t.Fatalf("%v", o.Map())
	}
	now = now.Add(time.Hour)
	must(o.Tidy(map[string]string{"alice": "acc-2"}))
	if o = open(); len(o.Map()) != 1 {
		t.Fatalf("%v", o.Map())
	}
	must(os.WriteFile(path, []byte("{torn"), 0o600))
	if o = open(); len(o.Map()) != 0 {
		t.Fatal("a damaged file")
	}
	if taken, err := o.Learn(map[string][]string{"acc-2": names}); err != nil || taken {
		t.Fatal(err)
	}
}
