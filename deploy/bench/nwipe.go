package main

import (
	"context"
	"fmt"
	"os/exec"
	"time"

	"golang.org/x/sys/unix"
)

// nwipeBytes is the size of a disk for nwipe, which is slow: 5 MB/s was seen where dd had 1000.
const nwipeBytes = 64 << 20

// alone runs nwipe with a /dev of its own that has one disk, $1 with the numbers $2 and $3, which it is also told by name: whatever it looks
// for, it finds no other.
const alone = `dev=$(mktemp -d)
mount -t tmpfs none "$dev"
mknod -m 600 "$dev/${1##*/}" b "$2" "$3"
for n in "null c 1 3" "zero c 1 5" "random c 1 8" "urandom c 1 9"; do mknod -m 666 "$dev/${n%% *}" ${n#* }; done
mount --move "$dev" /dev
rmdir "$dev"
exec nwipe --autonuke --nogui --nowait --method="$4" --rounds=1 --noblank --verify=off "$1"`

// nwipe overwrites the device once and tells how fast, its start and its last flush included.
func nwipe(ctx context.Context, dev, method string) (float64, error) {
	var st unix.Stat_t
	if err := unix.Stat(dev, &st); err != nil {
		return 0, err
	}
	start := time.Now()
	cmd := exec.CommandContext(ctx, "unshare", "--mount", "--propagation", "private", "sh", "-euc", alone, "sh",
		dev, fmt.Sprint(unix.Major(st.Rdev)), fmt.Sprint(unix.Minor(st.Rdev)), method)
	if out, err := cmd.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("nwipe: %w: %s", err, out[max(0, len(out)-1000):])
	}
	return nwipeBytes / 1e6 / time.Since(start).Seconds(), nil
}

// needNwipe tells early what is missing.
func needNwipe() error {
	if _, err := exec.LookPath("nwipe"); err != nil {
		return fmt.Errorf("erase with nwipe: %w; install the Debian package nwipe", err)
	}
	return nil
}
