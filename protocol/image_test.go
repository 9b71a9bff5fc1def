package protocol

import (
	"encoding/json"
	"testing"

	"github.com/steelyard/steelyard/pkg/fault"
)

func frames(list ...ImageFrame) []byte {
	digest := make([]byte, 32)
	var at uint64
	for i := range list {
		list[i].SHA256, list[i].FileSHA256, list[i].FileAt, list[i].FileBytes = digest, digest, at, 10
		at += 10
	}
	text, err := json.Marshal(ImageIndex{list})
	if err != nil {
		panic(err)
	}
	return text
}

func TestB43_AnIndexWhoseFramesDoNotFitIsRefused(t *testing.T) {
	const mib = 1 << 20
	m := ImageManifest{Name: "x", RawBytes: 10*mib + 5, FileBytes: 20}
	good := frames(ImageFrame{At: 0, Bytes: 2 * mib}, ImageFrame{At: 4 * mib, Bytes: 6*mib + 5})
	if x, err := ReadIndex(good, m); err != nil || len(x.Frames) != 2 {
		t.Fatalf("a good index: %v", err)
	}
	for what, text := range map[string][]byte{
		"no JSON":            []byte("{"),
		"overlap":            frames(ImageFrame{At: 0, Bytes: 2 * mib}, ImageFrame{At: mib, Bytes: mib}),
		"out of order":       frames(ImageFrame{At: 4 * mib, Bytes: mib}, ImageFrame{At: mib, Bytes: mib}),
		"not aligned":        frames(ImageFrame{At: 0, Bytes: mib}, ImageFrame{At: mib + 1, Bytes: mib}),
		"empty":              frames(ImageFrame{At: 0, Bytes: mib}, ImageFrame{At: mib, Bytes: 0}),
		"behind the end":     frames(ImageFrame{At: 0, Bytes: mib}, ImageFrame{At: 10 * mib, Bytes: 6}),
		"far behind the end": frames(ImageFrame{At: 0, Bytes: mib}, ImageFrame{At: 1 << 63, Bytes: 1 << 63}),
		"too large":          frames(ImageFrame{At: 0, Bytes: mib}, ImageFrame{At: mib, Bytes: MaxFrameBytes + 1}),
		"too few":            frames(ImageFrame{At: 0, Bytes: mib}),
		"no digests":         []byte(`{"frames":[{"at":0,"bytes":5,"file_at":0,"file_bytes":20}]}`),
	} {
		if _, err := ReadIndex(text, m); !fault.Is(err, fault.KindInvalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func FuzzImageIndex(f *testing.F) {
	f.Add(frames(ImageFrame{At: 0, Bytes: 1 << 20}, ImageFrame{At: 1 << 20, Bytes: 77}), uint64(2<<20), uint64(20))
	f.Fuzz(func(t *testing.T, text []byte, raw, file uint64) {
		x, err := ReadIndex(text, ImageManifest{RawBytes: raw, FileBytes: file})
		if err != nil {
			return
		}
		var at uint64
		for _, frame := range x.Frames {
			if frame.At < at || frame.At+frame.Bytes > raw || frame.FileAt+frame.FileBytes > file {
				t.Fatalf("a frame that does not fit was taken: %+v", frame)
			}
			at = frame.At + frame.Bytes
		}
	})
}
