package plan

import (
	"reflect"
	"slices"
	"testing"
)

func TestC22_ADefaultMailboxNeedsAName(t *testing.T) {
	ok := Defaults{DefaultMailbox: true, MailboxName: "info", Shell: Bash, VirusScan: On, IMAP: AsOffered}
	if got := wrong(ok.Check); got != nil {
		t.Errorf("refused: %v", got)
	}
	if want := (Values{Shell: Chosen(Bash), VirusScan: Switched(true)}); !reflect.DeepEqual(ok.Values(), want) {
		t.Errorf("%v", ok.Values())
	}
	bad := Defaults{DefaultMailbox: true, Shell: "/bin/zsh", VirusScan: "yes"}
	got := wrong(bad.Check)
	slices.Sort(got)
	if want := []string{"imap", "mailbox_name", "shell", "virus_scan"}; !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
	for _, name := range []string{"Info", "in fo", "info@example.org", ".info", "info.", "a..b", "../x", "ïnfo"} {
		d := Defaults{MailboxName: name, VirusScan: Off, IMAP: Off}
		if got := wrong(d.Check); len(got) != 1 || got[0] != "mailbox_name" {
			t.Errorf("%q: %v", name, got)
		}
	}
}
