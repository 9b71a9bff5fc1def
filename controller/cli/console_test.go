package cli

import "testing"

func TestATildeAndADotAtTheBeginningOfALineLeaveTheConsole(t *testing.T) {
	for typed, want := range map[string]struct {
		send  string
		leave bool
	}{
		"~.":             {"", true},
		"ls\r~.more":     {"ls\r", true},
		"a~.b":           {"a~.b", false},
		"~~.":            {"~.", false},
		"~/bin\r":        {"~/bin\r", false},
		"~\r~.":          {"~\r", true},
		"ls ~\n~":        {"ls ~\n", false},
		"\n~x~.":         {"\n~x~.", false},
		"echo a\n\n\n~.": {"echo a\n\n\n", true},
	} {
		whole := escape{start: true}
		if send, leave := whole.filter([]byte(typed)); string(send) != want.send || leave != want.leave {
			t.Errorf("%q: sent %q, left %v", typed, send, leave)
		}
		single, sent, left := escape{start: true}, "", false
		for i := 0; i < len(typed) && !left; i++ {
			var send []byte
			send, left = single.filter([]byte{typed[i]})
			sent += string(send)
		}
		if sent != want.send || left != want.leave {
			t.Errorf("%q key by key: sent %q, left %v", typed, sent, left)
		}
	}
}
