package driver

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"strings"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// Take fetches a file of the kernel and compares it with its length and digest; more than its length is never written.
// Faults: refused when it is another one, those of Fetch.
func (k Kernel) Take(ctx context.Context, f protocol.EntryFile, to io.Writer) error {
	sum := sha256.New()
	w := &counted{to: io.MultiWriter(sum, to), left: f.Bytes}
	if err := k.Fetch(ctx, f, w); err != nil {
		return err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); w.left != 0 || got != strings.ToLower(f.SHA256) {
		return fault.Refused("a file of the RAM environment came with digest %s; the controller announced %s", got, f.SHA256)
	}
	return nil
}

type counted struct {
	to   io.Writer
	left uint64
}

// Write implements io.Writer.
func (c *counted) Write(p []byte) (int, error) {
	if uint64(len(p)) > c.left {
		return 0, fault.Refused("a file of the RAM environment is longer than the controller announced")
	}
	c.left -= uint64(len(p))
	return c.to.Write(p)
}
