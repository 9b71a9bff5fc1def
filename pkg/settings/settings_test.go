package settings

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/steelyard/steelyard/pkg/fault"
)

func flags() (*pflag.FlagSet, *string, *time.Duration, *[]string) {
	fs := pflag.NewFlagSet("t", pflag.ContinueOnError)
	return fs, fs.String("data", "d", "directory"), fs.Duration("wait", time.Second, "time"), fs.StringSlice("etcd-endpoints", nil, "addresses")
}

func env(pairs map[string]string) func(string) (string, bool) {
	return func(k string) (string, bool) { v, ok := pairs[k]; return v, ok }
}

func TestFlagBeatsVariableBeatsDefault(t *testing.T) {
	fs, data, wait, endpoints := flags()
	if err := fs.Parse([]string{"--data", "given"}); err != nil {
		t.Fatal(err)
	}
	err := Bind(fs, env(map[string]string{"STEELYARD_DATA": "variable", "STEELYARD_ETCD_ENDPOINTS": "a,b", "STEELYARD_WAIT": ""}))
	if err != nil {
		t.Fatal(err)
	}
	if *data != "given" || *wait != time.Second || strings.Join(*endpoints, " ") != "a b" {
		t.Errorf("data %q, wait %v, endpoints %v", *data, *wait, *endpoints)
	}
}

func TestX13_AllWrongVariablesAreTold(t *testing.T) {
	fs, _, _, _ := flags()
	fs.Int("count", 1, "number")
	err := Bind(fs, env(map[string]string{"STEELYARD_WAIT": "soon", "STEELYARD_COUNT": "x"}))
	var f *fault.Fault
	if !errors.As(err, &f) || f.Kind != fault.KindInvalid || len(f.Fields) != 2 {
		t.Fatalf("error %v", err)
	}
	for _, want := range []string{"STEELYARD_WAIT", `"soon"`, "STEELYARD_COUNT", `"x"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not tell %s", err, want)
		}
	}
}

func TestHelpTellsTheVariableOnce(t *testing.T) {
	fs, _, _, _ := flags()
	Describe(fs)
	Describe(fs)
	if got := fs.Lookup("etcd-endpoints").Usage; got != "addresses ($STEELYARD_ETCD_ENDPOINTS)" {
		t.Errorf("usage %q", got)
	}
}

func TestX9_SecretsComeFromPrivateFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	write := func(text string, mode os.FileMode) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	write("s3cret\n", 0o600)
	secret, err := Secret(path)
	if err != nil || string(secret) != "s3cret" {
		t.Fatalf("%q, %v", string(secret), err)
	}
	if secret.String() == "s3cret" {
		t.Error("a secret prints itself")
	}
	write("s3cret\n", 0o644)
	if _, err := Secret(path); !fault.Is(err, fault.KindRefused) || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("a secret that everybody can read: %v", err)
	}
	for _, text := range []string{"", "\n", strings.Repeat("x", maxSecret+1)} {
		write(text, 0o600)
		if _, err := Secret(path); !fault.Is(err, fault.KindInvalid) {
			t.Errorf("secret of %d bytes: %v", len(text), err)
		}
	}
	if _, err := Secret(path + ".none"); !fault.Is(err, fault.KindInvalid) {
		t.Errorf("no file: %v", err)
	}
}
