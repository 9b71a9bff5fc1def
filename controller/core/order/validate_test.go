package order

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/steelyard/steelyard/controller/core/match"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
)

func goodModule() Module {
	return Module{
		Name: "Main hall", Kind: ModuleLocal, Location: "loc-1", Department: "dc-ops",
		DiagTimeout: 30, InstallTimeoutLinux: 60, InstallTimeoutWindows: 120, Weights: match.DefaultWeights(),
	}
}

func wrong(t *testing.T, check func(c *fault.Check)) []fault.Field {
	t.Helper()
	var c fault.Check
	check(&c)
	var f *fault.Fault
	if err := c.Err("wrong"); errors.As(err, &f) {
		return f.Fields
	}
	return nil
}

func names(fields []fault.Field) []string {
	var out []string
	for _, f := range fields {
		out = append(out, f.Name)
	}
	return out
}

func TestB13_B14_B15_TimeoutsAreWholeMinutesFrom1To720(t *testing.T) {
	set := map[string]func(*Module, int){
		"diagtimeout":            func(m *Module, n int) { m.DiagTimeout = n },
		"installtimeout_linux":   func(m *Module, n int) { m.InstallTimeoutLinux = n },
		"installtimeout_windows": func(m *Module, n int) { m.InstallTimeoutWindows = n },
	}
	for field, put := range set {
		for minutes, ok := range map[int]bool{-1: false, 0: false, 1: true, 30: true, 720: true, 721: false} {
			m := goodModule()
			put(&m, minutes)
			fields := wrong(t, m.Check)
			if ok != (len(fields) == 0) {
				t.Errorf("%s=%d: accepted=%v, want %v", field, minutes, len(fields) == 0, ok)
			}
			if !ok && (fields[0].Name != field || !strings.Contains(fields[0].Message, "1 to 720")) {
				t.Errorf("%s=%d: the refusal %+v names neither field nor range", field, minutes, fields[0])
			}
		}
	}
}

func TestX13_AllFieldsOfAModuleAreNamedAtOnce(t *testing.T) {
	w := match.DefaultWeights()
	w.DIMMAdd = 0
	m := Module{Kind: "magic", SortOrder: -1, Weights: w}
	got := names(wrong(t, m.Check))
	for _, want := range []string{
		"name", "kind", "location", "department", "sort_order",
		"diagtimeout", "installtimeout_linux", "installtimeout_windows", "weights.dimm_add",
	} {
		if !slices.Contains(got, want) {
			t.Errorf("%s is not named; got %v", want, got)
		}
	}
}

func TestB10_ByServerTypeIsFixedWhileTariffsUseTheModule(t *testing.T) {
	before, after := goodModule(), goodModule()
	after.ByServerType = true
	if f := wrong(t, func(c *fault.Check) { CheckModuleEdit(c, before, after, nil) }); len(f) != 0 {
		t.Errorf("without tariffs the change is refused: %v", f)
	}
	f := wrong(t, func(c *fault.Check) { CheckModuleEdit(c, before, after, []string{"Basic"}) })
	if len(f) != 1 || f[0].Name != "by_server_type" || !strings.Contains(f[0].Message, "Basic") {
		t.Errorf("with a tariff: got %v, want a refusal that names it", f)
	}
	after.ByServerType, after.SortOrder = false, 7
	if f := wrong(t, func(c *fault.Check) { CheckModuleEdit(c, before, after, []string{"Basic"}) }); len(f) != 0 {
		t.Errorf("another change is refused: %v", f)
	}
}

func TestX13_AllFieldsOfATariffAreNamedAtOnce(t *testing.T) {
	good := Tariff{Name: "Basic", Modules: []string{"m1"}, Configuration: hardware.Configuration{Cores: 8}}
	if f := wrong(t, good.Check); len(f) != 0 {
		t.Fatalf("a good tariff is refused: %v", f)
	}
	bad := Tariff{
		Name: "two\nlines", Modules: []string{"m1", "m1"}, Images: []string{""},
		Configuration: hardware.Configuration{Sockets: -1, Disks: []hardware.DiskGroup{{Count: 0, SizeBytes: 1}}},
	}
	got := names(wrong(t, bad.Check))
	for _, want := range []string{"name", "modules", "images", "configuration.sockets", "configuration.disks"} {
		if !slices.Contains(got, want) {
			t.Errorf("%s is not named; got %v", want, got)
		}
	}
	if got := names(wrong(t, Tariff{Name: "x"}.Check)); !slices.Contains(got, "modules") {
		t.Errorf("a tariff without modules: got %v", got)
	}
}

func TestB3_OnlyKnownBackendsHaveAGeneration(t *testing.T) {
	if BackendGeneration(ModuleLocal) != LocalGeneration || BackendGeneration("magic") != "" {
		t.Error("the generation of a backend is not what its kind says")
	}
}
