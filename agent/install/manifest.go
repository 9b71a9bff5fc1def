package install

import (
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/unit"
	"github.com/steelyard/steelyard/protocol"
)

// Formats of an image file.
const (
	FormatRaw  = "raw"
	FormatZstd = "raw.zst"
)

// Verify reads the manifest of an image command. Faults: denied for a bad signature, invalid for a
// manifest that describes no image, refused for a disk that is too small.
func Verify(signingKey []byte, cmd *protocol.ImageCommand) (protocol.ImageManifest, error) {
	var m protocol.ImageManifest
	if cmd == nil {
		return m, fault.Invalid("the image command carries no manifest")
	}
	if err := cmd.Network.Validate(); err != nil {
		return m, err
	}
	if len(signingKey) != ed25519.PublicKeySize || !ed25519.Verify(signingKey, cmd.SignedManifest, cmd.Signature) {
		return m, fault.Denied("the image manifest is not signed by this fleet's controller")
	}
	if err := json.Unmarshal(cmd.SignedManifest, &m); err != nil {
		return m, fault.Invalid("the image manifest cannot be read: %w", err)
	}
	var c fault.Check
	c.Require(m.Format == FormatRaw || m.Format == FormatZstd, "format", "is %q; this agent writes raw and raw.zst", m.Format)
	c.Require(m.RawBytes > 0 && m.RawBytes < 1<<62, "raw_bytes", "is %d", m.RawBytes)
	c.Require(m.FileBytes > 0 && m.FileBytes < 1<<62, "file_bytes", "is %d", m.FileBytes)
	c.Require(isDigest(m.RawSHA256), "raw_sha256", "is no SHA-256")
	c.Require(isDigest(m.FileSHA256), "file_sha256", "is no SHA-256")
	c.Require(m.Format != FormatRaw || m.RawBytes == m.FileBytes, "file_bytes", "differs from raw_bytes")
	if err := c.Err("the manifest of image %q describes no image", m.ID); err != nil {
		return m, err
	}
	if m.RawBytes > cmd.Disk.SizeBytes {
		return m, fault.Refused("image %s needs %s; disk %s has %s", m.Name, unit.Bytes(m.RawBytes).SI(), cmd.Disk.Name, unit.Bytes(cmd.Disk.SizeBytes).SI())
	}
	return m, nil
}

func isDigest(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == 32
}
