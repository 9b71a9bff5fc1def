package file

import (
	"strings"
	"testing"

	"github.com/steelyard/steelyard/pkg/fault"
)

func wrong(f func(c *fault.Check)) error {
	var c fault.Check
	f(&c)
	return c.Err("wrong")
}

var hostile = []string{
	"", " ", "a b.de", "../../etc/passwd", "a.de\n", "\na.de", "a.de;", "$(id).de", "`id`.de", "a'.de", `a".de`, "a.de\x00", "A.de", "-a.de", "a-.de", ".a.de", "a..de", "a.de.", "*.de",
	"a.de/x", "localhost", "1.2.3.4", "ü.de", strings.Repeat("a", 64) + ".de", strings.Repeat("a.", 130) + "de", "a.de{", "a.de}", "a_b.de", "a.de#", "a.de\\",
}

func TestADomainCanMeanNothingElse(t *testing.T) {
	for _, s := range hostile {
		if IsDomain(s) {
			t.Errorf("%q passed", s)
		}
	}
	for _, s := range []string{"a.de", "xn--mnchen-3ya.de", "1a.example.co.uk", "a-b.de"} {
		if !IsDomain(s) {
			t.Errorf("%q was refused", s)
		}
	}
	err := wrong(func(c *fault.Check) { CheckDomain(c, Nth("forwards", 3, "domain"), "x y") })
	if err == nil || !strings.Contains(err.Error(), "forwards[3].domain") {
		t.Errorf("the field is not named: %v", err)
	}
}

func TestAddressesDigestsNamesAndPathsCanMeanNothingElse(t *testing.T) {
	digest := "$6$abc$" + strings.Repeat("a", 86)
	for name, test := range map[string]struct {
		check     func(c *fault.Check, text string)
		good, bad []string
	}{
		"address": {
			func(c *fault.Check, s string) { CheckAddress(c, "f", s) },
			[]string{"info@a.de", "a.b+c@x.a.de", "a_b-c@a.de"},
			[]string{"", "a", "@a.de", "a@", "|cat@a.de", "/etc/x@a.de", "a b@a.de", "a@a.de\n", "..@a.de", ".a@a.de", "a.@a.de", "a..b@a.de", "a@b@a.de", "A@a.de", "-a@a.de", "%@a.de", "a\x00@a.de"},
		},
		"member": {
			func(c *fault.Check, s string) { CheckMember(c, "f", s) },
			[]string{"Info@A.de", "a=b+c@x.a.de", "_a@a.de"},
			[]string{"", "|/bin/sh", "|a@a.de", "/tmp/x", ":include:/etc/passwd", "a,b@a.de", "a@a.de,b@a.de", "a b@a.de", "-a@a.de", "\"a\"@a.de", "a@[1.2.3.4]", "a!b@a.de", "a%b@a.de", "a@a.de\nb: c"},
		},
		"digest": {
			func(c *fault.Check, s string) { CheckDigest(c, "f", s) },
			[]string{"", digest, "$6$rounds=5000$a$" + strings.Repeat("b", 86)},
			[]string{"x", "!" + digest, digest + ":", digest + "\n", "root::0:0", "$6$a:b$" + strings.Repeat("a", 86), "$1$abc$x", "$6$rounds=99999999999$a$" + strings.Repeat("a", 86)},
		},
		"owned": {
			func(c *fault.Check, s string) { CheckOwned(c, "f", "anna", s) },
			[]string{"anna_a", "anna_shop_2"},
			[]string{"", "anna", "anna_", "bert_a", "anna_a`b", "anna_A", "anna_a;", "anna_%", "anna__", "anna_a-b", "anna_a\n", "anna_" + strings.Repeat("a", 33)},
		},
		"below": {
			func(c *fault.Check, s string) { CheckBelow(c, "f", s) },
			[]string{"", "htdocs", "sub/a.de/x"},
			[]string{"/", "/etc", "..", "a/..", "a/../b", ".ssh", "a//b", "a/", "a b", "a\nb", "a\"", "-r", strings.Repeat("a/", 101)},
		},
		"line": {
			func(c *fault.Check, s string) { CheckLine(c, "f", s, 10) },
			[]string{"", "a b"},
			[]string{"a:b", "a\n", "ü", "a\x00", strings.Repeat("a", 11)},
		},
	} {
		for _, s := range test.good {
			if err := wrong(func(c *fault.Check) { test.check(c, s) }); err != nil {
				t.Errorf("%s %q was refused: %v", name, s, err)
			}
		}
		for _, s := range test.bad {
			err := wrong(func(c *fault.Check) { test.check(c, s) })
			if err == nil {
				t.Errorf("%s %q passed", name, s)
			}
			if name == "digest" && len(s) > 1 && strings.Contains(err.Error(), s) {
				t.Errorf("the digest is in the error: %v", err)
			}
		}
	}
}

// FuzzChecks: what passes has no character that any of the files and languages gives a meaning to.
func FuzzChecks(f *testing.F) {
	for _, s := range hostile {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for name, check := range map[string]func(*fault.Check){
			"domain":  func(c *fault.Check) { CheckDomain(c, "f", s) },
			"address": func(c *fault.Check) { CheckAddress(c, "f", s) },
			"member":  func(c *fault.Check) { CheckMember(c, "f", s) },
			"owned":   func(c *fault.Check) { CheckOwned(c, "f", "anna", s) },
			"below":   func(c *fault.Check) { CheckBelow(c, "f", s) },
		} {
			if wrong(check) == nil && (strings.ContainsAny(s, " \t\r\n\x00:;,'\"`$(){}[]<>|&*?!~#%\\") || (strings.Contains(s, "..") && name != "below") || strings.Contains("/"+s+"/", "/../") || strings.HasPrefix(s, "/") || strings.HasPrefix(s, "-")) {
				t.Errorf("%s lets %q pass", name, s)
			}
		}
	})
}
