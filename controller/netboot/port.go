package netboot

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// portOwner names the process that holds a UDP port of this machine, as far as this process may see it; "" nobody, or it cannot be known.
func portOwner(proc string, port int) string {
	sockets := socketsOf(filepath.Join(proc, "thread-self/net/udp"), port)
	if len(sockets) == 0 {
		return ""
	}
	links, err := filepath.Glob(filepath.Join(proc, "[0-9]*/fd/*"))
	if err != nil {
		return ""
	}
	for _, link := range links {
		to, err := os.Readlink(link)
		if err != nil || !slices.Contains(sockets, to) {
			continue
		}
		dir := filepath.Dir(filepath.Dir(link))
		name, err := os.ReadFile(filepath.Join(dir, "comm"))
		if err != nil {
			continue
		}
		return fmt.Sprintf("%s (process %s)", strings.TrimSpace(string(name)), filepath.Base(dir))
	}
	return ""
}

// socketsOf lists the sockets with a local port, as /proc/PID/fd names them.
func socketsOf(table string, port int) (list []string) {
	text, err := readSome(table, 4<<20)
	if err != nil {
		return nil
	}
	for _, line := range strings.Split(string(text), "\n") {
		f := strings.Fields(line) // sl local remote st tx:rx tr:when retrnsmt uid timeout inode
		if len(f) < 10 {
			continue
		}
		_, hex, _ := strings.Cut(f[1], ":")
		if n, err := strconv.ParseUint(hex, 16, 16); err == nil && int(n) == port {
			list = append(list, "socket:["+f[9]+"]")
		}
	}
	return list
}
