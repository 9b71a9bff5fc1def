package cli

import (
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/steelyard/steelyard/controller/cli/client"
	"github.com/steelyard/steelyard/controller/image/build"
	"github.com/steelyard/steelyard/pkg/fault"
)

func (p *program) imageActions() []*cobra.Command {
	n := find("image")
	return []*cobra.Command{p.importCommand(n), p.buildCommand(), p.deed(n, deed{
		use: "retire", short: "No longer offer it", below: "/retire", verb: "retired",
		question: "Retire %s? Nobody can order it from then on.",
	})}
}

func (p *program) importCommand(n *noun) *cobra.Command {
	var name, family, format string
	c := &cobra.Command{
		Use: "import FILE", Short: "Upload an image of a disk: raw, compressed with zstd or gzip, or qcow2", Args: exactly("a file"),
		Example: "  steelyard image import debian-12.raw.zst --os-family linux",
		RunE: func(c *cobra.Command, args []string) error {
			if format == "" {
				format = formatOf(args[0])
			}
			query := url.Values{"name": {first(name, stem(args[0]))}, "os_family": {family}, "format": {format}}
			return p.upload(c, n, args[0], query)
		},
	}
	f := c.Flags()
	f.StringVar(&name, "name", "", "what people call it; else the name of the file")
	f.StringVar(&family, "os-family", "linux", "linux or windows")
	f.StringVar(&format, "format", "", "raw, raw.zst, raw.gz or qcow2; else by the first bytes of the file")
	return c
}

func (p *program) buildCommand() *cobra.Command {
	var output string
	c := &cobra.Command{
		Use: "build " + build.Debian12, Short: "Make the example image: Debian 12 with SSH, for BIOS and UEFI; needs root", Args: exactly("the name of a recipe"),
		Example: "  sudo steelyard image build debian-12\n  steelyard image import debian-12.raw.zst",
		RunE: func(c *cobra.Command, args []string) error {
			file, err := filepath.Abs(first(output, args[0]+".raw.zst"))
			if err != nil {
				return fault.Invalid("%w", err)
			}
			start := time.Now()
			tell := func(now string) { fmt.Fprintf(p.err, "%5.0f s  %s\n", time.Since(start).Seconds(), now) }
			if err := build.Run(c.Context(), build.Options{Name: args[0], Output: file, Tell: tell}); err != nil {
				return err
			}
			fmt.Fprintln(p.out, file)
			return nil
		},
	}
	c.Flags().StringVar(&output, "output", "", "file to make; else the name of the recipe with .raw.zst")
	return c
}

// magics are the first bytes of the formats that have such.
var magics = map[string]string{"QFI\xfb": "qcow2", "\x28\xb5\x2f\xfd": "raw.zst", "\x1f\x8b": "raw.gz"}

// formatOf looks into the file: names such as .img are given to all of them. What cannot be read is
// told when it is uploaded.
func formatOf(file string) string {
	f, err := os.Open(file)
	if err != nil {
		return "raw"
	}
	defer f.Close()
	head := make([]byte, 4)
	n, _ := io.ReadFull(f, head)
	for magic, format := range magics {
		if strings.HasPrefix(string(head[:n]), magic) {
			return format
		}
	}
	return "raw"
}

// stem is the name of a file without what tells its format.
func stem(file string) string {
	name := filepath.Base(file)
	for _, end := range []string{".zstd", ".zst", ".gz", ".raw", ".img", ".qcow2"} {
		name = strings.TrimSuffix(name, end)
	}
	return name
}

func (p *program) upload(c *cobra.Command, n *noun, file string, query url.Values) error {
	f, err := os.Open(file)
	if err != nil {
		return fault.Invalid("read the image: %w", err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return fault.Invalid("read the image: %w", err)
	}
	if !st.Mode().IsRegular() || st.Size() == 0 {
		return fault.Invalid("%s is no file with an image in it", file)
	}
	body := &counted{r: f}
	stop := p.watchUpload(body, st.Size())
	defer stop()
	return p.act(c.Context(), n, "imported", func(api *client.Client) (client.Answer, error) {
		a, err := api.Upload(c.Context(), n.path(), query, body, st.Size())
		stop()
		return a, err
	})
}

// watchUpload shows how much was sent until it is stopped; stopping twice is fine.
func (p *program) watchUpload(body *counted, size int64) (stop func()) {
	d, end, ended := p.display(), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			d.show("", []stage{{name: "upload", state: body.state(size), done: body.n.Load(), total: size, bytes: true}})
			select {
			case <-tick.C:
			case <-end:
				return
			}
		}
	}()
	stopped := false
	return func() {
		if stopped {
			return
		}
		stopped = true
		close(end)
		<-ended
		d.close()
	}
}

// counted counts what was read. The HTTP client closes what it sends: the file
// stays open, since it is closed by who opened it.
type counted struct {
	r io.Reader
	n atomic.Int64
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n.Add(int64(n))
	if err != nil && err != io.EOF { //nolint:errorlint // io.Reader's contract
		err = fmt.Errorf("read the image: %w", err)
	}
	return n, err
}

func (c *counted) state(size int64) string {
	if c.n.Load() >= size {
		return "sent, being checked"
	}
	return "sending"
}
