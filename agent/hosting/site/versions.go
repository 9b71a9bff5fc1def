package site

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/steelyard/steelyard/agent/hosting/daemon"
)

// installed are the versions of PHP-FPM below root, the newest first.
func installed(root string) []*PHP {
	dirs, _ := filepath.Glob(filepath.Join(root, "*", "fpm", "pool.d"))
	var list []*PHP
	for _, dir := range dirs {
		version := filepath.Base(filepath.Dir(filepath.Dir(dir)))
		v := &PHP{
			Version: version, Program: "/usr/sbin/php-fpm" + version, PID: "/run/php/php" + version + "-fpm.pid",
			Include: filepath.Join(dir, "steelyard.conf"), Sockets: "/run/php",
		}
		if daemon.IsThere(v.Program) {
			list = append(list, v)
		}
	}
	slices.SortFunc(list, func(a, b *PHP) int { return -compareVersions(a.Version, b.Version) })
	return list
}

// compareVersions knows that 8.10 is newer than 8.9.
func compareVersions(a, b string) int {
	return slices.CompareFunc(strings.Split(a, "."), strings.Split(b, "."), func(a, b string) int {
		x, _ := strconv.Atoi(a)
		y, _ := strconv.Atoi(b)
		return cmp.Compare(x, y)
	})
}

// choose the version that accounts get: the operator's, or the one that they have. A newer one that somebody installs must not change what sites run on.
func choose(list []*PHP, wanted string) *PHP {
	for _, v := range list {
		if v.Version == wanted {
			return v
		}
	}
	if wanted != "" {
		return nil
	}
	for _, v := range list {
		if _, err := os.Stat(v.Include); err == nil {
			return v
		}
	}
	if len(list) == 0 {
		return nil
	}
	return list[0]
}
