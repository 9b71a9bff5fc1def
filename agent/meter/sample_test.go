package meter

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// samples are lines of Postfix's in the wild, each with the fields that another reader of them takes.
var samples = struct{ data, field, program *regexp.Regexp }{
	regexp.MustCompile(`(?m)^data: (.*)$`), regexp.MustCompile(`(?m)^    (postfix_[a-z_]+): *"?(.*?)"?$`), regexp.MustCompile(`^[a-z]+`),
}

func TestU2_LinesOfPostfixHaveTheFieldsThatAnotherReaderTakes(t *testing.T) {
	files, _ := filepath.Glob("../../../shared/data/usage-logs/mail-postfix/*.yaml")
	if len(files) == 0 {
		t.Skip("no samples of logs here")
	}
	q := &queue{calendar: calendar{now: func() time.Time { return start }, zone: time.UTC}}
	q.load(nil)
	ids, sizes, states := 0, 0, 0
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		m := samples.data.FindSubmatch(text)
		if m == nil {
			t.Fatalf("%s has no data", path)
		}
		data := strings.Trim(string(m[1]), `'"`)
		data = strings.ReplaceAll(data, `\"`, `"`)
		want := map[string]string{}
		for _, f := range samples.field.FindAllStringSubmatch(string(text), -1) {
			want[f[1]] = strings.Trim(f[2], `'"`)
		}
		line := fmt.Sprintf("Nov 23 12:00:00 host postfix/%s[77]: %s", samples.program.FindString(filepath.Base(path)), data)
		e, ok := q.postfixLine([]byte(line))
		if !ok {
			t.Errorf("%s: %q is no line of Postfix's", path, line)
			continue
		}
		if id := want["postfix_queueid"]; id != "" && id != "NOQUEUE" && want["postfix_message_level"] == "" { // a warning about a mail is about no traffic
			if ids++; id != string(e.id) {
				t.Errorf("%s: queue id %q of %q", path, e.id, data)
			}
		}
		if d, ok := delivered(e); ok {
			states++
			if d.sent != (want["postfix_status"] == "sent") {
				t.Errorf("%s: sent is %t: %q", path, d.sent, data)
			}
			if ip := want["postfix_relay_ip"]; ip != "" && d.relay != netip.MustParseAddr(ip) {
				t.Errorf("%s: relay %v: %q", path, d.relay, data)
			}
		}
		c := &counts{at: map[string]int{}, slots: map[string]int{}, users: map[string]string{}, host: (&Options{}).host()}
		if !q.line([]byte(line), c) && !strings.HasPrefix(string(e.text), "to=<") { // of which no beginning came
			t.Errorf("%s: %q is not known", path, line)
		}
		if strings.Contains(data, "size=") && string(e.program) == "qmgr" {
			sizes++
			if m := q.mails[string(e.id)]; m == nil || !strings.Contains(data, fmt.Sprintf("size=%d,", m.Size)) {
				t.Errorf("%s: %+v of %q", path, m, data)
			}
		}
	}
	if ids < 30 || sizes < 1 || states < 5 {
		t.Errorf("%d queue ids, %d sizes, %d deliveries were compared", ids, sizes, states)
	}
}

func TestU2_AddressesMayHoldAnything(t *testing.T) {
	for text, want := range map[string]string{
		`to=<a@b.test>, relay=x`:                         "a@b.test",
		`to=<"a>, relay=x[192.0.2.1]:25"@b.test>, relay`: `"a>, relay=x[192.0.2.1]:25"@b.test`,
		`to=<"a\">, b"@c.test>, relay`:                   `"a\">, b"@c.test`,
		`to=<>, relay`:                                   "",
	} {
		got, rest, ok := address([]byte(text), "to=<")
		if !ok || string(got) != want || !strings.HasPrefix(string(rest), "relay") {
			t.Errorf("%s: %q %q %t", text, got, rest, ok)
		}
	}
	for _, text := range []string{`to=<"a>, relay=x`, `to=<a`, `to=a>, `, `to=<a>`, ""} {
		if got, _, ok := address([]byte(text), "to=<"); ok {
			t.Errorf("%s: %q", text, got)
		}
	}
}

// TestU2_AStampWithoutAYearIsTheNearest, in the machine's time zone.
func TestU2_AStampWithoutAYearIsTheNearest(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skip(err)
	}
	for _, x := range []struct{ now, line, want string }{
		{"2027-01-01T00:10:00Z", "Dec 31 23:59:59 host", "2026-12-31T22:45:00Z"},
		{"2026-12-31T22:50:00Z", "Jan  1 00:05:00 host", "2026-12-31T23:00:00Z"},
		{"2026-11-23T12:00:00Z", "Jul  3 12:01:00 host", "2026-07-03T10:00:00Z"},
		{"2028-03-01T12:00:00Z", "Feb 29 12:01:00 host", "2028-02-29T11:00:00Z"},
	} {
		now, _ := time.Parse(time.RFC3339, x.now)
		c := &calendar{now: func() time.Time { return now }, zone: berlin}
		for range 2 {
			if q, ok := c.quarter([]byte(x.line)); !ok || q.Start().Format(time.RFC3339) != x.want {
				t.Errorf("%s at %s: %v %t", x.line, x.now, q.Start(), ok)
			}
		}
	}
	c := &calendar{now: func() time.Time { return start }, zone: time.UTC}
	for _, line := range []string{"", "Nov 23 12:00:00", "Nov 43 12:00:00 x", "2026-11-23 12:00:00 x", "Nov 23 12:00-00 x"} {
		if q, ok := c.quarter([]byte(line)); ok {
			t.Errorf("%q: %v", line, q)
		}
	}
}
