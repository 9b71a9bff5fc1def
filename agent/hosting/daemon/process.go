package daemon

import (
	"bytes"
	"os"
	"strconv"
	"strings"
)

// Children of a process. A process that ended has none.
func Children(pid int) []int {
	text, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/task/" + strconv.Itoa(pid) + "/children")
	var list []int
	for field := range strings.FieldsSeq(string(text)) {
		if child, err := strconv.Atoi(field); err == nil {
			list = append(list, child)
		}
	}
	return list
}

// Title is what a process calls itself, as ps shows it; "" once it ended.
func Title(pid int) string {
	text, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
	return strings.TrimSpace(string(bytes.ReplaceAll(text, []byte{0}, []byte{' '})))
}

// OpenFiles is how many files the process may have open at once, and how many it has; 0, 0 once it ended.
func OpenFiles(pid int) (limit, now int) {
	dir := "/proc/" + strconv.Itoa(pid)
	text, _ := os.ReadFile(dir + "/limits")
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "Max open files"); ok {
			if fields := strings.Fields(rest); len(fields) > 0 {
				limit, _ = strconv.Atoi(fields[0])
			}
		}
	}
	list, _ := os.ReadDir(dir + "/fd")
	return limit, len(list)
}
