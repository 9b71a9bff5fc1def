package fleet

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/steelyard/steelyard/pkg/hardware"
)

func board(f func(*hardware.Identity)) hardware.Identity {
	i := hardware.Identity{UUID: "4c4c", SystemSerial: "SN1", BoardSerial: "B1", ChassisSerial: "C1", MACs: []string{"02:01", "02:02"}, MachineID: "m"}
	f(&i)
	return i
}

func TestX1_WhatAReportChangesIsToldInWords(t *testing.T) {
	for name, c := range map[string]struct {
		change         func(*hardware.Identity)
		changes, added string
		stranger       bool
	}{
		"nothing":               {func(*hardware.Identity) {}, "", "", false},
		"another system":        {func(i *hardware.Identity) { i.MachineID = "n" }, "", "", false},
		"other case and order":  {func(i *hardware.Identity) { i.SystemSerial, i.MACs = "sn1", []string{"02:02", "02:01"} }, "", "", false},
		"a board":               {func(i *hardware.Identity) { i.BoardSerial = "B2" }, "board serial B1 is now B2", "", false},
		"a chassis":             {func(i *hardware.Identity) { i.ChassisSerial = "C2" }, "chassis serial C1 is now C2", "", false},
		"a card":                {func(i *hardware.Identity) { i.MACs = []string{"02:01", "02:09"} }, "network card 02:02 is gone", "network card 02:09 is new", false},
		"one card more":         {func(i *hardware.Identity) { i.MACs = append(i.MACs, "02:09") }, "", "network card 02:09 is new", false},
		"one card less":         {func(i *hardware.Identity) { i.MACs = i.MACs[:1] }, "network card 02:02 is gone", "", false},
		"cards not readable":    {func(i *hardware.Identity) { i.MACs = nil }, "", "", false},
		"SMBIOS not readable":   {func(i *hardware.Identity) { i.UUID, i.SystemSerial, i.BoardSerial, i.ChassisSerial = "", "", "", "" }, "", "", false},
		"a board without UUID":  {func(i *hardware.Identity) { i.UUID = "" }, "UUID 4c4c is gone", "", false},
		"a serial not filled":   {func(i *hardware.Identity) { i.BoardSerial = "To be filled by O.E.M." }, "board serial B1 is gone", "", false},
		"the board of a series": {func(i *hardware.Identity) { i.BoardSerial = "1234567890" }, "board serial B1 is now 1234567890", "", false},
		"all but one card": {func(i *hardware.Identity) {
			*i = hardware.Identity{UUID: "9", SystemSerial: "SN9", MACs: []string{"02:02"}}
		}, "UUID 4c4c is now 9, system serial SN1 is now SN9, board serial B1 is gone, chassis serial C1 is gone, network card 02:01 is gone", "", false},
		"another machine": {func(i *hardware.Identity) { *i = hardware.Identity{UUID: "9", MACs: []string{"02:09"}} }, "UUID 4c4c is now 9, system serial SN1 is gone, board serial B1 is gone, chassis serial C1 is gone, network card 02:01 is gone, network card 02:02 is gone", "network card 02:09 is new", true},
	} {
		d := Differ(board(func(*hardware.Identity) {}), board(c.change))
		if got := strings.Join(d.Changes, ", "); got != c.changes {
			t.Errorf("%s: changes %q", name, got)
		}
		if got := strings.Join(d.Added, ", "); got != c.added {
			t.Errorf("%s: added %q", name, got)
		}
		if d.Stranger != c.stranger {
			t.Errorf("%s: stranger %v", name, d.Stranger)
		}
	}
}

// TestX1_ASerialOfAWholeSeriesIdentifiesNothing: two machines that have nothing else are never one, and what a vendor left
// unfilled is no part of an identity at all.
func TestX1_ASerialOfAWholeSeriesIdentifiesNothing(t *testing.T) {
	for _, serial := range []string{"1234567890", "0123456789", "987654321", "7777777"} {
		a := hardware.Identity{SystemSerial: serial}
		if got, shared := Compare(a, a); got != Clash || len(shared) != 1 {
			t.Errorf("%s: %v %v", serial, got, shared)
		}
		a.UUID = "4c4c"
		if got, _ := Compare(a, a); got != Same {
			t.Errorf("%s with a UUID: %v", serial, got)
		}
		other := hardware.Identity{SystemSerial: serial, UUID: "9"}
		if d := Differ(a, other); !d.Stranger {
			t.Errorf("%s alone makes two machines one", serial)
		}
	}
	for _, i := range []hardware.Identity{
		{SystemSerial: "To be filled by O.E.M.", BoardSerial: "Default string", UUID: "03000200-0400-0500-0006-000700080009", MACs: []string{"00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff"}},
		{UUID: "00000000-0000-0000-0000-000000000000", SystemSerial: "00000000"},
	} {
		if keys := IdentityKeys(i); len(keys) > 0 {
			t.Errorf("%+v is known by %v", i, keys)
		}
	}
	if got, _ := Compare(hardware.Identity{SystemSerial: "CZ1234567890"}, hardware.Identity{SystemSerial: "cz1234567890"}); got != Same {
		t.Errorf("a real serial number: %v", got)
	}
}

func TestX1_AServerStandsForWhatItReports(t *testing.T) {
	s := Server{Identity: hardware.Identity{UUID: "a", MACs: []string{"02:01"}}, Approval: Approved}
	s.PendingIdentity = &PendingIdentity{Identity: hardware.Identity{UUID: "a", MACs: []string{"02:02"}}}
	if got := s.Claims(); !slices.Equal(got, []string{"mac:02:02", "uuid:a"}) {
		t.Errorf("claims %v", got)
	}
	if got := s.Keys(); !slices.Equal(got, []string{"mac:02:01", "mac:02:02", "uuid:a"}) {
		t.Errorf("keys %v", got)
	}
	s.PendingIdentity.Rejected = &Note{}
	if got := s.Claims(); !slices.Equal(got, []string{"mac:02:01", "uuid:a"}) || len(s.Keys()) != 2 {
		t.Errorf("rejected: claims %v, keys %v", got, s.Keys())
	}
	s.PendingIdentity, s.Approval = nil, Retired
	if got := s.Keys(); len(s.Claims()) > 0 || !slices.Equal(got, []string{"retired:mac:02:01", "retired:uuid:a"}) {
		t.Errorf("retired: claims %v, keys %v", s.Claims(), got)
	}
}

func TestX1_TheHistoryOfAnIdentityIsBoundedAndTheNewestIsKept(t *testing.T) {
	s := Server{Identity: hardware.Identity{UUID: "0"}, Diagnosis: &DiagnosisSummary{ID: "opn-1", ConfigurationKey: "k"}, Override: &Override{}}
	diagnosed := s.Diagnosis
	for n := range 3 * keepIdentities {
		s = s.Reidentified(hardware.Identity{UUID: fmt.Sprint(n + 1)}, nil, Note{Actor: "ann"})
	}
	if n := len(s.IdentityHistory); n != keepIdentities || s.IdentityHistory[n-1].Before.UUID != fmt.Sprint(3*keepIdentities-1) {
		t.Errorf("%d entries, the last of %q", n, s.IdentityHistory[n-1].Before.UUID)
	}
	if s.Diagnosis.ConfigurationKey != "" || s.Override != nil || diagnosed.ConfigurationKey != "k" {
		t.Error("other parts count as diagnosed, or the record before was changed")
	}
}
