package unit

import "testing"

func TestBytesPrintAndParse(t *testing.T) {
	for _, c := range []struct {
		b       Bytes
		si, iec string
	}{
		{0, "0 B", "0 B"},
		{999, "999 B", "999 B"},
		{480 * GB, "480 GB", "447.03 GiB"},
		{1920 * GB, "1.92 TB", "1.75 TiB"},
		{64 * GiB, "68.72 GB", "64 GiB"},
		{999_999_999_999, "1 TB", "931.32 GiB"},
	} {
		if c.b.SI() != c.si || c.b.IEC() != c.iec {
			t.Errorf("%d: got %q, %q; want %q, %q", c.b, c.b.SI(), c.b.IEC(), c.si, c.iec)
		}
	}
	for s, want := range map[string]Bytes{"64GiB": 64 * GiB, "1.92 TB": 1920 * GB, "4096": 4096, " 10 kb ": 10000} {
		if got, err := ParseBytes(s); err != nil || got != want {
			t.Errorf("ParseBytes(%q) = %d, %v; want %d", s, got, err, want)
		}
	}
	for _, s := range []string{"", "GiB", "-1", "1e9", "12 parsecs", "99999999TB"} {
		if got, err := ParseBytes(s); err == nil {
			t.Errorf("ParseBytes(%q) = %d; want an error", s, got)
		}
	}
}
