package hosting

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/steelyard/steelyard/pkg/fault"
)

func TestX14_ADomainNameHasOneForm(t *testing.T) {
	for text, want := range map[string]string{
		"Example.ORG": "example.org", "example.org.": "example.org", " www.example.org ": "www.example.org", "bücher.example": "xn--bcher-kva.example",
		"BÜCHER.example": "xn--bcher-kva.example", "XN--BCHER-KVA.example": "xn--bcher-kva.example", "bücher。example": "xn--bcher-kva.example",
	} {
		if got, err := Domain(text); err != nil || got != want {
			t.Errorf("%q is %q, not %q: %v", text, got, want, err)
		}
	}
	for _, text := range []string{
		"", ".", "..", "localhost", "a..b", "*.example.org", "exa mple.org", "-a.example.org", "a_b.example.org", "192.0.2.1", "http://example.org",
		"xn--a.example", strings.Repeat("a", 64) + ".org", strings.Repeat("a.", 127) + "org", "a@b.org", "\xff.org",
	} {
		if got, err := Domain(text); !fault.Is(err, fault.KindInvalid) {
			t.Errorf("%q was taken for %q: %v", text, got, err)
		}
	}
}

func TestX13_APlacementNamesAllThatIsWrong(t *testing.T) {
	var c fault.Check
	p := Placement{Kind: Mailbox, Name: "nobody", Domains: []string{"a.example"}, State: "gone", DiskMiB: MaxDisk + 1}
	p.Check(&c)
	f := fault.From(c.Err("no"))
	for _, field := range []string{"name", "domains", "state", "disk_mib"} {
		found := false
		for _, got := range f.Fields {
			found = found || got.Name == field
		}
		if !found {
			t.Errorf("%s is not named in %+v", field, f.Fields)
		}
	}
}

// TestH5_ALoadIsTheSumOfWhatIsThere however things came and went.
func TestH5_ALoadIsTheSumOfWhatIsThere(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	var l Load
	var there []Placement
	for range 5000 {
		if n := len(there); n > 0 && r.IntN(2) == 0 {
			i := r.IntN(n)
			l = l.Change(&there[i], -1)
			there = append(there[:i], there[i+1:]...)
		} else {
			p := Placement{Kind: Kinds[r.IntN(len(Kinds))], DiskMiB: r.Uint64N(1000)}
			l = l.Change(&p, 1)
			there = append(there, p)
		}
		var want Load
		for _, p := range there {
			want.Placements++
			want.PromisedMiB += p.DiskMiB
			switch p.Kind {
			case Mailbox:
				want.Mail++
			case Database:
				want.MySQL++
			default:
				want.Web++
			}
		}
		if l != want {
			t.Fatalf("%+v, not %+v", l, want)
		}
	}
}

func FuzzDomain(f *testing.F) {
	for _, s := range []string{"example.org", "Bücher.example.", "xn--bcher-kva.example", "a..b", "١.example", "faß.de"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		once, err := Domain(text)
		if err != nil {
			return
		}
		if again, err := Domain(once); err != nil || again != once || once != strings.ToLower(once) || len(once) > 253 {
			t.Fatalf("%q is %q, and that is %q: %v", text, once, again, err)
		}
	})
}
