package hostingtest

import (
	"context"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// As runs a program as a customer: with this uid and gid, without further groups. It returns what was printed and how the program ended.
func As(t testing.TB, uid, gid int, program ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, program[0], program[1:]...)
	cmd.Dir, cmd.WaitDelay = "/", time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// Customer is somebody with an account.
type Customer struct{ UID, GID int }

// MustNot fails the test if the customer can run the program with success: see a file, connect, enter.
func (c Customer) MustNot(t testing.TB, program ...string) {
	t.Helper()
	if out, err := As(t, c.UID, c.GID, program...); err == nil {
		t.Errorf("uid %d may %q: %.200s", c.UID, program, out)
	}
}

// Must fails the test unless the customer can.
func (c Customer) Must(t testing.TB, program ...string) string {
	t.Helper()
	out, err := As(t, c.UID, c.GID, program...)
	if err != nil {
		t.Errorf("uid %d may not %q: %v: %.200s", c.UID, program, err, out)
	}
	return out
}
