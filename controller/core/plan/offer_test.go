package plan

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/pkg/fault"
)

func full() Values {
	v := Values{}
	for _, p := range Table {
		v[p.Name] = p.Default
	}
	return v
}

// wrong are the fields that a check names.
func wrong(check func(*fault.Check)) (fields []string) {
	var c fault.Check
	check(&c)
	var f *fault.Fault
	if errors.As(c.Err("wrong"), &f) {
		for _, field := range f.Fields {
			fields = append(fields, field.Name)
		}
	}
	return fields
}

func TestC2_AnOfferIsNamedByLettersAndDigits(t *testing.T) {
	for _, name := range []string{"a", "Gold", "Gold2026", "007", strings.Repeat("x", 64)} {
		if got := wrong(func(c *fault.Check) { CheckName(c, "name", name) }); got != nil {
			t.Errorf("%q was refused: %v", name, got)
		}
	}
	for _, name := range []string{"", " ", "Gold Plus", "Gold-1", "Größe", "Gold\n", "ab\x00", "ａ", "٣", strings.Repeat("x", 65), "../x", "a_b"} {
		if got := wrong(func(c *fault.Check) { CheckName(c, "name", name) }); len(got) != 1 || got[0] != "name" {
			t.Errorf("%q was taken", name)
		}
	}
}

func TestC3_DiskAndTransferAreWholeNumbers(t *testing.T) {
	for _, text := range []string{`-1`, `+1`, `1.5`, `1,5`, `1e3`, `1E3`, `0x10`, `01`, ` `, `null`, `[1]`, `{"a":1}`, `99999999999999999999`} {
		var v Values
		if err := json.Unmarshal([]byte(`{"disk_mib":`+text+`}`), &v); err == nil {
			t.Errorf("%s was taken for %v", text, v)
		}
	}
	for _, text := range []string{`"100"`, `"-1"`, `true`, `""`} { // a word or a switch, which a limit is not
		var v Values
		if err := json.Unmarshal([]byte(`{"disk_mib":`+text+`}`), &v); err != nil {
			t.Fatal(err)
		}
		if got := wrong(func(c *fault.Check) { v.Check(c, "values") }); len(got) != 1 || got[0] != "values.disk_mib" {
			t.Errorf("%s was taken: %v", text, got)
		}
	}
	v := Values{DiskMiB: Number(reselling.MaxLimit + 1)}
	if got := wrong(func(c *fault.Check) { v.Check(c, "values") }); len(got) != 1 {
		t.Errorf("more than a ZiB was taken: %v", got)
	}
}

func TestC4_EachLimitMayBeNone(t *testing.T) {
	for _, name := range Names(Limited) {
		var v Values
		if err := json.Unmarshal([]byte(`{"`+name+`":"no limit"}`), &v); err != nil || v[name] != Unlimited() {
			t.Errorf("%s: %v, %v", name, v, err)
		}
		text, err := json.Marshal(v)
		if err != nil || string(text) != `{"`+name+`":"no limit"}` {
			t.Errorf("%s is written %s, %v", name, text, err)
		}
	}
}

func TestC5_LimitsAreMandatoryAndZeroIsOne(t *testing.T) {
	o := Offer{Kind: Service, Name: "Zero", Values: full()}
	if got := wrong(o.Check); got != nil {
		t.Fatalf("an offer of zeros was refused: %v", got)
	}
	for _, name := range Names(Limited) {
		o := Offer{Kind: Service, Name: "One", Values: full()}
		delete(o.Values, name)
		if got := wrong(o.Check); len(got) != 1 || got[0] != "values."+name {
			t.Errorf("without %s: %v", name, got)
		}
	}
	if got := wrong((&Offer{Kind: Service, Name: "None"}).Check); len(got) != len(Names(Limited)) {
		t.Errorf("not all missing fields come back at once: %v", got)
	}
}

func TestP2_AnAddOnSaysWhatItAdds(t *testing.T) {
	good := Offer{Kind: AddOn, Name: "Mail10", Values: Values{Mailboxes: Number(10)}}
	if got := wrong(good.Check); got != nil {
		t.Errorf("refused: %v", got)
	}
	for field, o := range map[string]Offer{
		"values":         {Kind: AddOn, Name: "Nothing"},
		"values.overuse": {Kind: AddOn, Name: "Policy", Values: Values{Overuse: Chosen(Normal)}},
		"values.shell":   {Kind: AddOn, Name: "Fish", Values: Values{Shell: Chosen("/usr/bin/fish")}},
		"values.colour":  {Kind: AddOn, Name: "Red", Values: Values{"colour": Chosen("red")}},
		"kind":           {Kind: "bundle", Name: "Bundle", Values: full()},
	} {
		if got := wrong(o.Check); len(got) != 1 || got[0] != field {
			t.Errorf("%s: %v", field, got)
		}
	}
}

func TestP11_OnlySomePropertiesMayBeChangedByTheSubscriber(t *testing.T) {
	for _, list := range [][]string{{DiskMiB}, {"colour"}, {PHP, PHP}} {
		o := Offer{Kind: Service, Name: "Free", Values: full(), Changeable: list}
		if got := wrong(o.Check); len(got) != 1 || got[0] != "changeable" {
			t.Errorf("%v: %v", list, got)
		}
	}
	o := Offer{Kind: Service, Name: "Free", Values: full(), Changeable: []string{IMAP, VirusScan, PHP, Shell}}
	if got := wrong(o.Check); got != nil {
		t.Errorf("refused: %v", got)
	}
}

func TestP18_APolicyStopsOrSuspendsOrLetsGrow(t *testing.T) {
	type does struct{ stops, suspends, tells bool }
	want := map[string]does{Block: {stops: true}, Notify: {stops: true, tells: true}, Normal: {suspends: true}, NotSuspend: {}, NotSuspendNotify: {tells: true}}
	if len(want) != len(Policies) {
		t.Fatal("not all policies are told")
	}
	for _, p := range Policies {
		if got := (does{Stops(p), Suspends(p), Tells(p)}); got != want[p] {
			t.Errorf("%s: %+v, not %+v", p, got, want[p])
		}
		if Stops(unstopped(p)) || Tells(unstopped(p)) != Tells(p) || Suspends(unstopped(p)) != Suspends(p) {
			t.Errorf("%s where nothing can be stopped is %s", p, unstopped(p))
		}
	}
}

func FuzzValueSaysWhatItRead(f *testing.F) {
	for _, text := range []string{`0`, `true`, `"no limit"`, `"/bin/false"`, `-0`, `1e0`, `"\u006eo limit"`, `nul`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var v, again Value
		if json.Unmarshal([]byte(text), &v) != nil {
			return
		}
		out, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(out, &again); err != nil || again != v && v.Choice != reselling.NoLimit.String() {
			t.Errorf("%s became %v, %s, %v: %v", text, v, out, again, err)
		}
	})
}
