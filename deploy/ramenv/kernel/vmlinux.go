package kernel

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// payloads are the compressed forms of a kernel inside a bzImage, and what unpacks them.
var payloads = []struct {
	magic string
	tool  []string
}{
	{"\xfd7zXZ\x00", []string{"xz", "-dc", "--single-stream"}},
	{"\x02\x21\x4c\x18", []string{"lz4", "-dc"}},
	{"\x28\xb5\x2f\xfd", []string{"zstd", "-dc"}},
	{"\x1f\x8b\x08", []string{"gzip", "-dc"}},
}

// Vmlinux writes the kernel of an image without its compression. An emulated processor would take
// seconds to unpack it; a virtual machine can be started with it directly (PVH).
func (t Tree) Vmlinux(ctx context.Context, to string) error {
	if _, err := os.Stat(to); err == nil {
		return nil
	}
	image, err := os.ReadFile(t.Image)
	if err != nil {
		return err
	}
	for _, p := range payloads {
		for at := bytes.Index(image, []byte(p.magic)); at >= 0; {
			var out bytes.Buffer
			cmd := exec.CommandContext(ctx, p.tool[0], p.tool[1:]...)
			cmd.Stdin, cmd.Stdout = bytes.NewReader(image[at:]), &out
			_ = cmd.Run() // what follows the payload is garbage to the tool
			if bytes.HasPrefix(out.Bytes(), []byte("\x7fELF")) {
				return write(to, out.Bytes())
			}
			next := bytes.Index(image[at+1:], []byte(p.magic))
			if next < 0 {
				break
			}
			at += 1 + next
		}
	}
	return fmt.Errorf("there is no kernel in %s that xz, lz4, zstd or gzip can unpack", t.Image)
}

func write(to string, data []byte) error {
	part, err := os.CreateTemp(filepath.Dir(to), "part-")
	if err != nil {
		return err
	}
	defer os.Remove(part.Name())
	if _, err := part.Write(data); err != nil {
		_ = part.Close()
		return err
	}
	if err := part.Close(); err != nil {
		return err
	}
	return os.Rename(part.Name(), to)
}
