package install

import (
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/unit"
	"github.com/steelyard/steelyard/protocol"
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
	if err := m.Validate(); err != nil {
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
