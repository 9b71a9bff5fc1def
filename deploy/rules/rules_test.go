package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestRulesAreReadFromNames(t *testing.T) {
	for name, want := range map[string][]string{
		"TestB33_PortsEnabledBeforePowerOn":   {"B33"},
		"TestB13_B14_B15_WholeMinutes":        {"B13", "B14", "B15"},
		"TestB13toB15_WholeMinutes":           {"B13", "B14", "B15"},
		"TestX2_B28b_OneWinner":               {"X2", "B28b"},
		"FuzzX1_Identity":                     {"X1"},
		"TestB32a_Resume":                     {"B32a"},
		"TestBackoffGrows":                    nil,
		"TestC20Overview":                     nil, // the rule is not a word of its own
		"TestB15toB13_Backwards":              nil,
		"TestLateResult_X5_IsRefused":         {"X5"},
		"TestG5_NoRuleButAGoal":               nil,
		"TestP8a_PinOneProperty_P8_LocksElse": {"P8a", "P8"},
	} {
		if got := rulesOf(name); !slices.Equal(got, want) {
			t.Errorf("rulesOf(%s) = %v, want %v", name, got, want)
		}
	}
}

func TestListOfRulesIsComplete(t *testing.T) {
	ids := known()
	want := map[string]int{"X": 15, "B": 46 + 3, "H": 18, "S": 13, "C": 23, "P": 19 + 1, "U": 10}
	got := map[string]int{}
	for i, id := range ids {
		got[id[:1]]++
		if slices.Contains(ids[:i], id) {
			t.Errorf("%s is listed twice", id)
		}
	}
	for letter, n := range want {
		if got[letter] != n {
			t.Errorf("%d rules of %s, want %d", got[letter], letter, n)
		}
	}
	for line := range strings.Lines(rulesText) {
		if _, name, _ := strings.Cut(line, "\t"); strings.TrimSpace(name) == "" {
			t.Errorf("line %q has no words", line)
		}
	}
}

func TestMentionedRulesAreAdded(t *testing.T) {
	ids := withMentioned([]string{"X1", "B1", "U1"}, "- B2 as X1 says (B4–B6, A7).\n- U1 B10a")
	want := []string{"X1", "B1", "B2", "B4", "B5", "B6", "B10a", "U1"}
	if !slices.Equal(ids, want) {
		t.Errorf("withMentioned = %v, want %v", ids, want)
	}
}

func TestEveryRuleIsPrinted(t *testing.T) {
	root := t.TempDir()
	write(t, filepath.Join(root, "a", "x_test.go"),
		"package a\nfunc TestB33_Ports() {}\nfunc TestB33_B34_Both() {}\nfunc TestB99_None() {}\nfunc (t T) TestX1_Method() {}\n")
	write(t, filepath.Join(root, "a", "y.go"), "package a\nfunc TestX2_NoTestFile() {}\n")
	write(t, filepath.Join(root, "testdata", "z_test.go"), "package z\nfunc TestX3_Data() {}\n")
	var out, summary strings.Builder
	if err := run(root, &out, &summary); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	if len(lines) != len(known()) {
		t.Errorf("%d lines for %d rules", len(lines), len(known()))
	}
	for _, want := range []string{"B33\t2\tTestB33_B34_Both,TestB33_Ports", "B34\t1\tTestB33_B34_Both", "X1\t0\t", "X2\t0\t", "X3\t0\t"} {
		if !slices.Contains(lines, want) {
			t.Errorf("no line %q", want)
		}
	}
	for _, want := range []string{"B99 is no rule, but is named by TestB99_None\n", "2 of 148 rules are named by a test\n"} {
		if !strings.Contains(summary.String(), want) {
			t.Errorf("summary %q lacks %q", summary.String(), want)
		}
	}
}

func TestUnreadableTestIsAnError(t *testing.T) {
	root := t.TempDir()
	write(t, filepath.Join(root, "x_test.go"), "package x\nfunc {")
	if err := run(root, &strings.Builder{}, &strings.Builder{}); err == nil || !strings.Contains(err.Error(), "x_test.go") {
		t.Errorf("error %v does not name the file", err)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
