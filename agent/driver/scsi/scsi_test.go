package scsi

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/steelyard/steelyard/agent/driver"
)

func raw(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

func TestSenseGolden(t *testing.T) {
	for _, c := range []struct {
		name, hex string
		want      Sense
	}{
		{"fixed, invalid command", "70000500" + "0000000a" + "00000000" + "20000000" + "0000", Sense{Key: KeyIllegal, ASC: 0x20}},
		{"fixed, sanitize in progress, half done", "70000200" + "0000000a" + "00000000" + "041b0080" + "8000", Sense{Key: KeyNotReady, ASC: 4, ASCQ: 0x1B, Share: 0.5}},
		{"descriptor, sanitize in progress, a quarter done", "72" + "02041b" + "00000008" + "0206000080400000", Sense{Key: KeyNotReady, ASC: 4, ASCQ: 0x1B, Share: 0.25}},
	} {
		got, err := ParseSense(raw(c.hex))
		if err != nil || got.Key != c.want.Key || got.ASC != c.want.ASC || got.ASCQ != c.want.ASCQ || got.Share != c.want.Share {
			t.Errorf("%s: %+v %v", c.name, got, err)
		}
	}
	if _, err := ParseSense([]byte{0x70}); !errors.Is(err, ErrSense) {
		t.Error(err)
	}
}

// fakeDrive knows one sanitize action.
type fakeDrive struct {
	has   byte
	left  int // glances until it is over
	busy  bool
	fails bool
	sent  [][]byte
	data  []byte
}

func (f *fakeDrive) send(c Command) ([]byte, error) {
	switch c.CDB[0] {
	case opRequestSense:
		copy(c.Data, raw("7000000000000000000000000000000000000"+"0"))
		if f.busy {
			if f.left--; f.left >= 0 {
				copy(c.Data, raw("70000200"+"0000000a"+"00000000"+"041b0080"+"8000"))
			} else if f.busy = false; f.fails {
				copy(c.Data, raw("70000300"+"0000000a"+"00000000"+"31030000"+"0000"))
			}
		}
	case opSanitize:
		f.sent, f.data = append(f.sent, c.CDB), c.Data
		if c.CDB[1]&0x1F != f.has && c.CDB[1]&0x1F != actExitFailure {
			return raw("70000500" + "0000000a" + "00000000" + "20000000" + "0000"), nil
		}
		f.busy = true
	}
	return nil, nil
}

func TestB45_ASanitizeIsSentAndWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeDrive{has: actOverwrite, left: 4}
		list, err := Drive{Send: f.send}.Rungs()
		if err != nil || len(list) != 3 {
			t.Fatal(list, err)
		}
		for _, r := range list[:2] {
			if err := r.Run(t.Context(), func(float64) {}); !errors.Is(err, driver.ErrUnsupported) {
				t.Errorf("%s: %v", r.Method, err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		if err := list[2].Run(ctx, func(share float64) {
			if share != 0.5 {
				t.Errorf("share %v", share)
			}
			cancel()
		}); !errors.Is(err, context.Canceled) {
			t.Errorf("interrupted: %v", err)
		}
		if cdb := f.sent[2]; !bytes.Equal(cdb, raw("48a10000000000000800")) || !bytes.Equal(f.data, raw("0100000400000000")) {
			t.Errorf("%x with %x", cdb, f.data)
		}
		again, err := Drive{Send: f.send}.Rungs()
		if err != nil || len(again) != 1 || !again[0].Running {
			t.Fatalf("it is not picked up: %+v %v", again, err)
		}
		if err := again[0].Run(t.Context(), func(float64) {}); err != nil || len(f.sent) != 3 {
			t.Errorf("%v, sent %d times", err, len(f.sent))
		}
		f.busy, f.left, f.fails = true, 1, true
		if err := (Drive{Send: f.send}).wait(t.Context(), func(float64) {}); err == nil {
			t.Error("a failed sanitize is taken for a success")
		}
	})
}

// TestACommandIsRepeatedAfterNews: a drive that was reset tells so instead of carrying the next command out.
func TestACommandIsRepeatedAfterNews(t *testing.T) {
	for _, news := range []int{0, 3, mostNews} {
		sent := 0
		raw, err := Patient(func(Command) ([]byte, error) {
			if sent++; sent <= news {
				return raw("70000600" + "0000000a" + "00000000" + "29000000" + "0000"), nil
			}
			return nil, nil
		})(Command{})
		if err != nil || (raw == nil) != (news < mostNews) || sent != min(news+1, mostNews) {
			t.Errorf("%d news: sent %d times, %x %v", news, sent, raw, err)
		}
	}
}

func FuzzSense(f *testing.F) {
	f.Add(raw("72" + "02041b" + "00000008" + "0206000080400000"))
	f.Add(raw("70000200" + "0000000a" + "00000000" + "041b0080" + "8000"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := ParseSense(b)
		if err == nil && (s.Share < 0 || s.Share >= 1 || s.Key > 0xF) {
			t.Errorf("%+v", s)
		}
		_ = s.Descriptor(9)
	})
}
