package install

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// fetchIndex brings the index of a manifest and checks its digest. Its size was bounded with the manifest.
func fetchIndex(ctx context.Context, from Fetcher, m protocol.ImageManifest) (protocol.ImageIndex, error) {
	var text bytes.Buffer
	if err := Download(ctx, from, m.IndexSHA256, m.IndexBytes, &text); err != nil {
		return protocol.ImageIndex{}, err
	}
	sum := sha256.Sum256(text.Bytes())
	if got := hex.EncodeToString(sum[:]); !strings.EqualFold(got, m.IndexSHA256) {
		return protocol.ImageIndex{}, fault.Refused("the index has digest %s; %s was signed", got, strings.ToLower(m.IndexSHA256))
	}
	return protocol.ReadIndex(text.Bytes(), m)
}

// span is a part of the image: one frame, or zeros.
type span struct {
	at, n uint64
	frame *protocol.ImageFrame // nil: zeros
}

// maxZeros bounds one span of zeros, bytes: between two of them the work can be stopped.
const maxZeros = 64 << 20

// spans divides the image into parts, in order and without gaps. An index that was checked gives frames in order.
func spans(x protocol.ImageIndex, size uint64) []span {
	var list []span
	var at uint64
	zeros := func(to uint64) {
		for at < to {
			n := min(to-at, maxZeros)
			list = append(list, span{at: at, n: n})
			at += n
		}
	}
	for i := range x.Frames {
		f := &x.Frames[i]
		zeros(f.At)
		list = append(list, span{at: f.At, n: f.Bytes, frame: f})
		at = f.At + f.Bytes
	}
	zeros(size)
	return list
}
