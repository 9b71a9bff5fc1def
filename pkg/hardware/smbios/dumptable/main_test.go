package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/steelyard/steelyard/pkg/hardware/smbios"
)

func TestTableCountsWhatWasNotUnderstood(t *testing.T) {
	const machine = "Handle 0x0011, DMI type 17, 40 bytes\nMemory Device\n\tSize: 32 parsecs\n\tColour: red\n"
	s := survey{gaps: map[smbios.Gap]int{}, unread: map[string]string{}}
	for name, text := range map[string]string{"a": machine, "b": machine, "c": "System Information\n\tManufacturer: M\n", "d": "no dump"} {
		if err := s.add(name, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	s.print(&out)
	for _, want := range []string{"3 machines, 1 understood to the last field, 1 files unread", `2      17    Size    "32 parsecs"`, "2      17    Colour", "unread: d:"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in\n%s", want, out.String())
		}
	}
}
