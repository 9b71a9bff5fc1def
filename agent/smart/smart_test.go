package smart

import (
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unsafe"

	"go.uber.org/goleak"

	"github.com/steelyard/steelyard/pkg/testdata"
)

var update = flag.Bool("update", false, "write the golden file anew")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestB46_ReportsOfRealDrives reads what smartctl said of the disks of three machines.
func TestB46_ReportsOfRealDrives(t *testing.T) {
	dir := testdata.Shared(t, "storage", "smartctl-json")
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".json") || strings.HasPrefix(entry.Name(), "scan") {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		h, err := Parse(data)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		name, _ := filepath.Rel(dir, path)
		fmt.Fprintf(&b, "%s: %s\n", name, line(h))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/reports.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil || string(want) != b.String() {
		t.Errorf("%v; got\n%s", err, b.String())
	}
}

func line(h Health) string {
	n := func(p *uint64) string {
		if p == nil {
			return "?"
		}
		return fmt.Sprint(*p)
	}
	s := fmt.Sprintf("%s passed=%v rpm=%d wear=%d spare=%d/%d celsius=%d worst=%d warm=%d hot=%d reallocated=%s pending=%s uncorrectable=%s reported=%s media=%s crc=%s hours=%s link=%d/%d tests=%d",
		h.Protocol, h.Passed, h.RPM, h.Wear, h.Spare, h.SpareLimit, h.Celsius, h.WorstCelsius, h.WarmCelsius, h.HotCelsius,
		n(h.Reallocated), n(h.Pending), n(h.Uncorrectable), n(h.Reported), n(h.MediaErrors), n(h.CRCErrors), n(h.Hours), h.LinkMbps, h.LinkBestMbps, len(h.Tests))
	if last, ok := h.LastTest(); ok {
		s += fmt.Sprintf(" last=%s: %s at %d h, failed %v", last.Kind, last.Result, last.Hours, last.Failed)
	}
	return s
}

func TestB46_WhatADriveSaysIsRead(t *testing.T) {
	for name, c := range map[string]struct{ report, want string }{
		"an ATA disk that dies": {
			`{"device":{"protocol":"ATA"},"rotation_rate":7200,"smart_status":{"passed":false},"power_on_time":{"hours":41000},"temperature":{"current":51,"lifetime_max":66,"op_limit_max":60,"limit_max":65},
			"ata_smart_attributes":{"table":[{"id":5,"name":"Reallocated_Sector_Ct","value":2,"thresh":10,"when_failed":"now","flags":{"prefailure":true},"raw":{"value":3900}},
			{"id":197,"name":"Current_Pending_Sector","value":1,"raw":{"value":16}},{"id":198,"name":"Offline_Uncorrectable","value":1,"raw":{"value":4}},{"id":199,"name":"UDMA_CRC_Error_Count","value":1,"raw":{"value":7}}]},
			"ata_smart_self_test_log":{"standard":{"table":[{"type":{"string":"Short offline"},"status":{"value":24,"string":"Aborted by host"},"lifetime_hours":41000},{"type":{"string":"Short offline"},"status":{"value":121,"string":"Completed: read failure"},"lifetime_hours":40990}]}}}`,
			"ATA passed=false rpm=7200 wear=-1 spare=-1/-1 celsius=51 worst=66 warm=60 hot=65 reallocated=3900 pending=16 uncorrectable=4 reported=? media=? crc=7 hours=41000 link=0/0 tests=2 last=Short offline: Completed: read failure at 40990 h, failed true",
		},
		"a worn SAS SSD": {
			`{"device":{"protocol":"SCSI"},"smart_status":{"passed":true},"scsi_grown_defect_list":3,"scsi_percentage_used_endurance_indicator":97,"temperature":{"current":44,"drive_trip":70},"scsi_error_counter_log":{"read":{"total_uncorrected_errors":2}}}`,
			"SCSI passed=true rpm=0 wear=97 spare=-1/-1 celsius=44 worst=0 warm=70 hot=70 reallocated=3 pending=? uncorrectable=2 reported=? media=? crc=? hours=? link=0/0 tests=0",
		},
		"an NVMe disk that is only too warm": {
			`{"device":{"protocol":"NVMe"},"smart_status":{"passed":false},"nvme_smart_health_information_log":{"critical_warning":2,"temperature":81,"available_spare":100,"available_spare_threshold":10,"percentage_used":1},"nvme_composite_temperature_threshold":{"warning":77,"critical":85}}`,
			"NVMe passed=true rpm=0 wear=1 spare=100/10 celsius=81 worst=0 warm=77 hot=85 reallocated=? pending=? uncorrectable=? reported=? media=0 crc=? hours=0 link=0/0 tests=0",
		},
	} {
		h, err := Parse([]byte(c.report))
		if err != nil || line(h) != c.want {
			t.Errorf("%s: %v\n%s\nwant\n%s", name, err, line(h), c.want)
		}
	}
	if h, err := Parse([]byte(`{"smartctl":{"messages":[{"string":"/dev/sda: Permission denied"}]}}`)); err == nil || h.Passed || err.Error() != "/dev/sda: Permission denied" {
		t.Errorf("%v %+v", err, h)
	}
}

// pages makes the log pages of a drive that is worn, warm and failed a self-test.
func pages() (identify, health, tests []byte) {
	identify, health, tests = make([]byte, identifyLength), make([]byte, healthLength), make([]byte, testsLength)
	identify[256] = 1 << 4
	binary.LittleEndian.PutUint16(identify[266:], 273+70)
	binary.LittleEndian.PutUint16(identify[268:], 273+80)
	health[0] = 1<<0 | 1<<1
	binary.LittleEndian.PutUint16(health[1:], 273+74)
	health[3], health[4], health[5] = 4, 10, 103
	binary.LittleEndian.PutUint64(health[128:], 20_000)
	binary.LittleEndian.PutUint64(health[160:], 5)
	for i := range testEntries {
		tests[4+i*testEntryLength] = nvmeUnused
	}
	tests[4], tests[4+testEntryLength] = 1<<4|1, 2<<4|7
	binary.LittleEndian.PutUint64(tests[8:], 19_999)
	binary.LittleEndian.PutUint64(tests[8+testEntryLength:], 19_000)
	return identify, health, tests
}

func TestB46_LogPagesOfNVMeDrives(t *testing.T) {
	identify, health, tests := pages()
	h, err := ParseNVMe(identify, health)
	if err == nil {
		err = ParseNVMeTests(&h, tests)
	}
	const want = "NVMe passed=false rpm=0 wear=103 spare=4/10 celsius=74 worst=0 warm=70 hot=80 reallocated=? pending=? uncorrectable=? reported=? media=5 crc=? hours=20000 link=0/0 tests=2 last=Extended: Completed: failed segments at 19000 h, failed true"
	if err != nil || line(h) != want || !h.TooWarm || !h.CanTest || len(h.Failing) != 1 {
		t.Errorf("%v %+v\n%s\nwant\n%s", err, h, line(h), want)
	}
	if v, err := ParseNVMe(nil, make([]byte, healthLength)); err != nil || v.Spare != -1 || v.SpareLimit != -1 || !v.Passed {
		t.Errorf("a virtual drive that fills nothing in: %v %+v", err, v)
	}
	if _, err := ParseNVMe(nil, health[:100]); err == nil {
		t.Error("half a page was read")
	}
}

// TestTheCommandIsTheKernels compares with struct nvme_passthru_cmd: 72 bytes, its size is part of the request's number.
func TestTheCommandIsTheKernels(t *testing.T) {
	if n := unsafe.Sizeof(command{}); n != nvmeAdmin>>16&0x3FFF {
		t.Errorf("the command has %d bytes", n)
	}
	if c := getLog(logHealth, healthLength); c.Dword[0] != 0x007F0002 || unsafe.Offsetof(c.Dword) != 40 {
		t.Errorf("%+v", c)
	}
}

func TestTwoWaysTellTogether(t *testing.T) {
	told, err := Parse([]byte(`{"device":{"protocol":"NVMe"},"smart_status":{"passed":true},"nvme_smart_health_information_log":{"temperature":40,"available_spare":100,"available_spare_threshold":10,"percentage_used":2,"media_errors":1}}`))
	if err != nil {
		t.Fatal(err)
	}
	identify, health, tests := pages()
	direct, _ := ParseNVMe(identify, health)
	_ = ParseNVMeTests(&direct, tests)
	told.Fill(direct)
	if told.WarmCelsius != 70 || told.Celsius != 40 || told.Wear != 2 || *told.MediaErrors != 1 || len(told.Tests) != 2 || !told.CanTest {
		t.Errorf("%s", line(told))
	}
}

// program writes a script that stands in for smartctl.
func program(t *testing.T, script string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "smartctl")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAProgramThatHangsIsStopped(t *testing.T) {
	start := time.Now()
	if _, err := Report(t.Context(), program(t, "exec sleep 60"), "sda", 50*time.Millisecond); err == nil || time.Since(start) > 20*time.Second {
		t.Errorf("after %s: %v", time.Since(start), err)
	}
	if _, err := Report(t.Context(), program(t, "exit 0"), "../etc/passwd", time.Second); err == nil {
		t.Error("a path was taken for the name of a disk")
	}
}

// TestB46_NothingThatCanAskIsSaid and a drive without a self-test is no failed one.
func TestB46_NothingThatCanAskIsSaid(t *testing.T) {
	d := Drive{Dev: t.TempDir(), Name: "sda", Program: filepath.Join(t.TempDir(), "none"), Timeout: time.Second}
	if _, err := Read(t.Context(), d); err != ErrSilent {
		t.Errorf("%v", err)
	}
	d.Program = program(t, `echo '{"smart_status":{"passed":true}}'`)
	d.Timeout = 20 * time.Second
	if _, err := Short(context.Background(), d, func(int) {}); err != ErrNoTest {
		t.Errorf("%v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"smart_status":{"passed":true},"nvme_smart_health_information_log":{"percentage_used":300}}`))
	f.Add([]byte(`{"smartctl":{"messages":[{"string":"denied"}]}}`))
	f.Add([]byte(`{"smart_status":{"passed":true},"interface_speed":{"max":{"units_per_second":60,"bits_per_unit":100000000}},"ata_smart_attributes":{"table":[{"id":194,"raw":{"string":"49 (Min/Max 25/61)"}}]}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := Parse(data)
		if err != nil {
			return
		}
		if h.Wear < -1 || h.Spare < -1 || h.Celsius < 0 || h.Celsius >= 200 || h.TestPercent < 0 || h.LinkMbps < 0 || h.Summary() == nil {
			t.Fatalf("%+v", h)
		}
	})
}

func FuzzNVMePages(f *testing.F) {
	identify, health, tests := pages()
	f.Add(identify, health, tests)
	f.Fuzz(func(t *testing.T, identify, health, tests []byte) {
		h, err := ParseNVMe(identify, health)
		if err == nil {
			_ = ParseNVMeTests(&h, tests)
		}
		if h.Celsius < 0 || len(h.Tests) > testEntries || h.TestPercent > 100 {
			t.Fatalf("%+v", h)
		}
	})
}
