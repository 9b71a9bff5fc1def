package netboot

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/steelyard/steelyard/pkg/fault"
)

// Files of a RAM environment.
const (
	fileManifest = "manifest.json"
	fileKernel   = "vmlinuz"
	fileInitrd   = "initrd"
	maxManifest  = 64 << 10
	lookEvery    = time.Second // at the manifest
)

// manifest names a kernel and a memory image that belong together.
type manifest struct {
	Kernel       string `json:"kernel"` // its version
	Agent        string `json:"agent"`  // its version
	KernelSHA256 string `json:"kernel_sha256"`
	InitrdSHA256 string `json:"initrd_sha256"`
}

// ramImage is a pair whose digests were compared with its manifest. Its files stay open, so that a new pair does not change an old one
// that a machine is loading.
type ramImage struct {
	manifest
	Digest string // of the pair
	files  map[string]*os.File
	made   fs.FileInfo // of the manifest
}

// ramImages gives the newest pair of a directory.
type ramImages struct {
	dir string

	mu      sync.Mutex
	current *ramImage
	looked  time.Time
	err     error
}

// newest is the pair of the directory as it is now. While a new one cannot be used the former one is, with the error beside it.
func (r *ramImages) newest(now time.Time) (*ramImage, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Sub(r.looked) < lookEvery && now.After(r.looked) {
		return r.current, r.err
	}
	r.looked = now
	made, err := os.Stat(filepath.Join(r.dir, fileManifest))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		r.err = fault.Unavailable("the controller has no RAM environment in %s; make one with \"make ramenv\" and copy it there", r.dir)
	case err != nil:
		r.err = fault.Unavailable("the RAM environment in %s cannot be read: %w", r.dir, err)
	case r.current != nil && os.SameFile(made, r.current.made) && made.ModTime().Equal(r.current.made.ModTime()):
		r.err = nil
	default:
		r.load(made)
	}
	return r.current, r.err
}

func (r *ramImages) load(made fs.FileInfo) {
	next := &ramImage{files: map[string]*os.File{}, made: made}
	if r.err = next.open(r.dir); r.err != nil {
		next.close()
		return
	}
	r.current = next // the files of the former one are closed when the last machine has read them: os.File does
}

func (i *ramImage) open(dir string) error {
	text, err := readSome(filepath.Join(dir, fileManifest), maxManifest)
	if err != nil {
		return fault.Unavailable("the RAM environment in %s cannot be read: %w", dir, err)
	}
	if err := json.Unmarshal(text, &i.manifest); err != nil {
		return fault.Unavailable("%s in %s is damaged: %w; make the RAM environment again", fileManifest, dir, err)
	}
	for name, want := range map[string]string{fileKernel: i.KernelSHA256, fileInitrd: i.InitrdSHA256} {
		f, err := os.Open(filepath.Join(dir, name))
		if err != nil {
			return fault.Unavailable("the RAM environment in %s cannot be read: %w", dir, err)
		}
		i.files[name] = f
		sum := sha256.New()
		if _, err := io.Copy(sum, f); err != nil {
			return fault.Unavailable("the RAM environment in %s cannot be read: %w", dir, err)
		}
		if got := hex.EncodeToString(sum.Sum(nil)); got != want {
			return fault.Unavailable("%s in %s is not the one that its manifest names; make the RAM environment again", name, dir)
		}
	}
	sum := sha256.Sum256([]byte(i.KernelSHA256 + i.InitrdSHA256))
	i.Digest = hex.EncodeToString(sum[:8])
	return nil
}

func (i *ramImage) close() {
	for _, f := range i.files {
		_ = f.Close()
	}
}

func readSome(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, most))
}
