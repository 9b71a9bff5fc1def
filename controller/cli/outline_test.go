package cli

import (
	"strings"
	"testing"
	"time"
)

func TestDisksAreToldInDecimalUnitsAndMemoryInBinary(t *testing.T) {
	var b strings.Builder
	body := `{"memory_bytes":68719476736,"dimms":[{"count":2,"size_bytes":34359738368}],"disks":[{"count":2,"medium":"ssd","size_bytes":480000000000}]}`
	if err := outline(&b, []byte(body), time.Time{}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"64 GiB", "32 GiB", "480 GB"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is not in:\n%s", want, b.String())
		}
	}
}
