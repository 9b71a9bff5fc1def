package unix

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/agent/hosting/file"
)

// System V objects outlive the processes that made them. Each kind has its table in /proc/sysvipc and its call to remove one.
var objects = []struct {
	table  string
	column string // of the object's number
	remove func(id uintptr) error
}{
	{"shm", "shmid", func(id uintptr) error { return ctl(unix.SYS_SHMCTL, id, unix.IPC_RMID, 0) }},
	{"sem", "semid", func(id uintptr) error { return ctl(unix.SYS_SEMCTL, id, 0, unix.IPC_RMID) }},
	{"msg", "msqid", func(id uintptr) error { return ctl(unix.SYS_MSGCTL, id, unix.IPC_RMID, 0) }},
}

func ctl(call, a, b, c uintptr) error {
	if _, _, errno := unix.Syscall(call, a, b, c); errno != 0 && errno != unix.EINVAL && errno != unix.EIDRM {
		return errno
	}
	return nil
}

// forgetObjects removes what the user made or was given.
func (p *Part) forgetObjects(uid int) error {
	for _, o := range objects {
		raw, err := os.ReadFile(filepath.Join(p.o.Proc, "sysvipc", o.table))
		if err != nil {
			continue // this kernel has none
		}
		for _, id := range objectsOf(raw, o.column, uid) {
			if err := o.remove(uintptr(id)); err != nil {
				return fmt.Errorf("remove %s %d: %w", o.column, id, err)
			}
			file.Step("remove " + o.column)
		}
	}
	return nil
}

// objectsOf reads the numbers of a user's objects from a table: its first line names the columns.
func objectsOf(table []byte, column string, uid int) (ids []int) {
	lines := bytes.Split(table, []byte("\n"))
	head := bytes.Fields(lines[0])
	place := func(name string) int {
		return slices.IndexFunc(head, func(field []byte) bool { return string(field) == name })
	}
	id, owner, maker := place(column), place("uid"), place("cuid")
	if id < 0 || owner < 0 || maker < 0 {
		return nil
	}
	for _, line := range lines[1:] {
		fields := bytes.Fields(line)
		if len(fields) != len(head) {
			continue
		}
		if want := strconv.Itoa(uid); string(fields[owner]) == want || string(fields[maker]) == want {
			if n, err := strconv.Atoi(string(fields[id])); err == nil {
				ids = append(ids, n)
			}
		}
	}
	return ids
}
