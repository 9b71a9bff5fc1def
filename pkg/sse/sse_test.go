package sse

import (
	"errors"
	"io"
	"strings"
	"testing"
)

const stream = ": hello\n\n" +
	"id: 7\nevent: changed\ndata: {\"a\":1}\n\n" +
	"event: changed\ndata: one\ndata: two\n\n" +
	"id: 9\n\n" +
	"id: nonsense\ndata: x\n\n" +
	"id: 10\ndata: cut off"

func TestEventsAreReadInOrderAndAHalfOneIsNot(t *testing.T) {
	var got []Event
	lines, from := 0, ""
	err := Read(strings.NewReader(stream), func() { lines++ }, &from, func(e Event) error {
		got = append(got, e)
		return nil
	})
	if !errors.Is(err, io.EOF) || !errors.As(err, new(Ended)) || from != "9" || lines == 0 {
		t.Fatalf("%v, from %q, %d lines", err, from, lines)
	}
	want := []Event{{"7", "changed", []byte(`{"a":1}`)}, {"", "changed", []byte("one\ntwo")}, {"", "", []byte("x")}}
	if len(got) != len(want) {
		t.Fatalf("got %q", got)
	}
	for i, w := range want {
		if got[i].ID != w.ID || got[i].Name != w.Name || string(got[i].Data) != string(w.Data) {
			t.Errorf("event %d: got %q, want %q", i, got[i], w)
		}
	}
}

func TestTheReceiverEndsTheStream(t *testing.T) {
	stop, from := errors.New("enough"), ""
	if err := Read(strings.NewReader(stream), func() {}, &from, func(Event) error { return stop }); err != stop || from != "7" {
		t.Fatalf("%v, from %q", err, from)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(stream)
	f.Fuzz(func(t *testing.T, text string) {
		from := ""
		_ = Read(strings.NewReader(text), func() {}, &from, func(e Event) error {
			if len(e.Data) == 0 || strings.Contains(e.Name, "\n") {
				t.Errorf("event %+v", e)
			}
			return nil
		})
	})
}
