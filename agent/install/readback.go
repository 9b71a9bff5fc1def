package install

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/steelyard/steelyard/agent/driver"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// Confirm reads back what a command says was written, and compares. Faults: refused when the
// disk holds something else, and those of driver.Open.
func Confirm(ctx context.Context, disks driver.Disks, cmd *protocol.ConfirmCommand, report Report) (*protocol.WrittenImage, error) {
	if cmd == nil || cmd.RawBytes == 0 || cmd.RawBytes > cmd.Disk.SizeBytes || !isDigest(cmd.RawSHA256) {
		return nil, fault.Invalid("the confirm command does not say what was written")
	}
	dev, err := driver.Open(ctx, disks, cmd.Disk, driver.Read)
	if err != nil {
		return nil, err
	}
	var done uint64
	err = readBack(ctx, dev, cmd.RawBytes, cmd.RawSHA256, func(n int) {
		done += uint64(n)
		report(done, cmd.RawBytes, "bytes", "reading back")
	})
	if err := errors.Join(err, dev.Close()); err != nil {
		return nil, fmt.Errorf("confirm disk %s: %w", driver.Describe(cmd.Disk), err)
	}
	return &protocol.WrittenImage{Disk: cmd.Disk, RawBytes: cmd.RawBytes, RawSHA256: strings.ToLower(cmd.RawSHA256), ReadBack: true}, nil
}

// readBack hashes the first size bytes of the disk.
func readBack(ctx context.Context, dev driver.Disk, size uint64, want string, each func(n int)) error {
	h := sha256.New()
	buf := driver.Buffer(chunk)
	for at := uint64(0); at < size; at += chunk {
		if err := ctx.Err(); err != nil {
			return err
		}
		need := int(min(chunk, size-at))
		n, err := dev.ReadAt(buf[:driver.RoundUp(int64(need))], int64(at))
		if n < need {
			if err == nil || errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return fault.Refused("read back at byte %d: %w", at, err)
		}
		h.Write(buf[:need])
		each(need)
	}
	if err := same("disk", h, want); err != nil {
		return fmt.Errorf("read back: %w", err)
	}
	return nil
}
