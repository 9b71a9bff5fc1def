// Package settings gives every flag that says how a process reaches others a twin
// in the environment: --etcd-endpoints is STEELYARD_ETCD_ENDPOINTS. A flag that
// was given wins over its twin, the twin over the default. Secrets are read from
// files, because command lines and environments can be read by others (rule X9).
//
// It holds nothing about the fleet: that is state, and lives in the store.
package settings

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/logging"
)

// Prefix of every variable.
const Prefix = "STEELYARD_"

// Variable is the twin of a flag.
func Variable(flag string) string {
	return Prefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// Describe tells the twin in the help of each flag.
func Describe(flags *pflag.FlagSet) {
	flags.VisitAll(func(f *pflag.Flag) {
		if note := " ($" + Variable(f.Name) + ")"; !strings.HasSuffix(f.Usage, note) {
			f.Usage += note
		}
	})
}

// Bind sets the flags that were not given from their twins; an empty variable
// counts as absent. All wrong values are told at once, as one invalid fault.
func Bind(flags *pflag.FlagSet, lookup func(string) (string, bool)) error {
	var c fault.Check
	flags.VisitAll(func(f *pflag.Flag) {
		value, ok := lookup(Variable(f.Name))
		if f.Changed || !ok || value == "" {
			return
		}
		if err := flags.Set(f.Name, value); err != nil {
			c.Add(Variable(f.Name), "is not usable: %s", reason(err))
		}
	})
	return c.Err("the environment holds settings that cannot be read")
}

// reason is what is wrong with a value, without the name of the flag, which the
// caller did not use.
func reason(err error) string {
	var bad *pflag.InvalidValueError
	if errors.As(err, &bad) {
		return fmt.Sprintf("%q: %v", bad.GetValue(), bad.Unwrap())
	}
	return err.Error()
}

// maxSecret bounds the file of one secret.
const maxSecret = 64 << 10

// Secret reads a secret from a file, without the line break at its end. A file
// that every user of the machine can read, an empty one or one beyond 64 KiB is
// refused.
func Secret(path string) (logging.Secret, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fault.Invalid("read a secret: %w", err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return "", fault.Invalid("read a secret: %w", err)
	}
	if st.Mode().IsRegular() && st.Mode().Perm()&0o004 != 0 {
		return "", fault.Refused("the secret in %s can be read by every user of this machine; run: chmod 600 %s", path, path)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err != nil {
		return "", fault.Invalid("read the secret in %s: %w", path, err)
	}
	secret := strings.TrimRight(string(text), "\r\n")
	if secret == "" || len(text) > maxSecret {
		return "", fault.Invalid("the secret in %s is empty or longer than %d bytes", path, maxSecret)
	}
	return logging.Secret(secret), nil
}
