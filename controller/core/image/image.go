// Package image owns the record of an operating system image.
package image

import (
	"time"

	"github.com/steelyard/steelyard/protocol"
)

// Image is an operating system image in the store.
type Image struct {
	protocol.ImageManifest
	SignedManifest []byte    `json:"signed_manifest"`
	Signature      []byte    `json:"signature"` // Ed25519
	Retired        bool      `json:"retired"`
	CreatedAt      time.Time `json:"created_at"`
	CreatedBy      string    `json:"created_by"`
}
