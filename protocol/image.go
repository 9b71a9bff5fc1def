package protocol

import (
	"encoding/hex"
	"encoding/json"

	"github.com/steelyard/steelyard/pkg/fault"
)

// FormatFrames is the one format in which images are kept and sent: a file of independent zstd frames
// behind each other, and an index of them. What is all zeros is in no frame.
const FormatFrames = "frames"

// Bounds of an image.
const (
	ImageAlign    = 1 << 20  // each frame begins at a multiple of it, bytes of the image
	MaxFrameBytes = 64 << 20 // of the image in one frame
	MaxIndexBytes = 64 << 20 // of an index as JSON: enough for 4 TiB in frames of 16 MiB
	MaxRawBytes   = 4 << 40
)

// ImageManifest describes one operating system image. It is signed; the index is bound to it by its digest.
type ImageManifest struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	OSFamily    string `json:"os_family"` // "linux", "windows"
	Format      string `json:"format"`    // FormatFrames
	RawBytes    uint64 `json:"raw_bytes"`
	RawSHA256   string `json:"raw_sha256"` // hex, of the bytes on the disk
	FileBytes   uint64 `json:"file_bytes"`
	FileSHA256  string `json:"file_sha256"` // hex, of the file of frames; its name in the store
	IndexBytes  uint64 `json:"index_bytes"`
	IndexSHA256 string `json:"index_sha256"` // hex, of the JSON of an ImageIndex; its name in the store
}

// ImageIndex lists the frames of an image by where they belong.
type ImageIndex struct {
	Frames []ImageFrame `json:"frames"`
}

// ImageFrame is one frame. Between frames, and behind the last one, the image is zero.
type ImageFrame struct {
	At         uint64 `json:"at"`    // first byte in the image
	Bytes      uint64 `json:"bytes"` // of the image
	FileAt     uint64 `json:"file_at"`
	FileBytes  uint64 `json:"file_bytes"`
	SHA256     []byte `json:"sha256"`      // of the bytes of the image
	FileSHA256 []byte `json:"file_sha256"` // of the frame in the file: checked before anything is unpacked
}

// Validate finds everything that is wrong with a manifest. The fault is invalid.
func (m ImageManifest) Validate() error {
	var c fault.Check
	c.Require(m.Format == FormatFrames, "format", "is %q; this version writes %q: import the image again", m.Format, FormatFrames)
	c.Require(m.RawBytes > 0 && m.RawBytes <= MaxRawBytes, "raw_bytes", "is %d", m.RawBytes)
	c.Require(m.FileBytes < 2*MaxRawBytes, "file_bytes", "is %d", m.FileBytes)
	c.Require(m.IndexBytes > 0 && m.IndexBytes <= MaxIndexBytes, "index_bytes", "is %d", m.IndexBytes)
	c.Require(isDigest(m.RawSHA256), "raw_sha256", "is no SHA-256")
	c.Require(isDigest(m.FileSHA256), "file_sha256", "is no SHA-256")
	c.Require(isDigest(m.IndexSHA256), "index_sha256", "is no SHA-256")
	return c.Err("the manifest of image %q describes no image", m.ID)
}

func isDigest(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == 32
}

// ReadIndex reads the index of an image. Its digest was compared before. The fault is invalid.
func ReadIndex(text []byte, m ImageManifest) (ImageIndex, error) {
	var x ImageIndex
	if len(text) > MaxIndexBytes {
		return x, fault.Invalid("the index of image %s has %d bytes; %d are the most", m.Name, len(text), MaxIndexBytes)
	}
	if err := json.Unmarshal(text, &x); err != nil {
		return x, fault.Invalid("the index of image %s cannot be read: %w", m.Name, err)
	}
	return x, x.check(m)
}

// check sees to it that frames follow each other in the image and in the file, and fit into both.
func (x ImageIndex) check(m ImageManifest) error {
	var at, fileAt uint64
	for i, f := range x.Frames {
		switch {
		case f.At < at || f.At%ImageAlign != 0 || f.FileAt != fileAt:
			return fault.Invalid("frame %d of image %s is out of place", i, m.Name)
		case f.Bytes == 0 || f.Bytes > MaxFrameBytes || f.At > m.RawBytes || f.Bytes > m.RawBytes-f.At:
			return fault.Invalid("frame %d of image %s has %d bytes at %d of %d", i, m.Name, f.Bytes, f.At, m.RawBytes)
		case f.FileBytes == 0 || f.FileBytes > 2*MaxFrameBytes:
			return fault.Invalid("frame %d of image %s has %d bytes in the file", i, m.Name, f.FileBytes)
		case len(f.SHA256) != 32 || len(f.FileSHA256) != 32:
			return fault.Invalid("frame %d of image %s has no digests", i, m.Name)
		}
		at, fileAt = f.At+f.Bytes, fileAt+f.FileBytes
	}
	if fileAt != m.FileBytes {
		return fault.Invalid("the frames of image %s have %d bytes; its file has %d", m.Name, fileAt, m.FileBytes)
	}
	return nil
}
