package ftp

import (
	"bufio"
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/agent/hosting/daemon"
	"github.com/steelyard/steelyard/agent/hosting/file"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/pause"
)

// load makes sure that ProFTPD has loaded our configuration: it greets with a digest of it.
func (p *Part) load(ctx context.Context) error {
	want := []byte(p.o.conf())
	have, err := os.ReadFile(p.o.Include)
	same := err == nil && string(have) == string(want)
	if same && p.laid {
		_, err := p.o.daemon().PID()
		return err
	}
	p.laid = false
	if !same {
		if err := p.write(ctx, want, have); err != nil {
			return err
		}
	}
	if strings.Contains(p.greeted(ctx), p.o.greeting()) {
		p.laid = true
		return nil
	}
	return p.reload(ctx)
}

// write puts the configuration into place if ProFTPD takes it: with one that it does not like it would end.
func (p *Part) write(ctx context.Context, text, former []byte) error {
	if err := p.around(); err != nil {
		return err
	}
	if _, err := file.Write(p.o.Include, text, file.Owner{Mode: 0o644}); err != nil {
		return err
	}
	err := p.test(ctx)
	if err == nil {
		return nil
	}
	if former == nil {
		_, back := file.Remove(p.o.Include)
		return errors.Join(err, back)
	}
	_, back := file.Write(p.o.Include, former, file.Owner{Mode: 0o644})
	return errors.Join(err, back)
}

// around makes the log, which no customer may read, and the file for logrotate.
func (p *Part) around() error {
	if err := os.Mkdir(p.o.Layout.Logs, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	if _, err := os.Lstat(p.o.log()); errors.Is(err, os.ErrNotExist) {
		if _, err := file.Write(p.o.log(), nil, file.Root); err != nil {
			return err
		}
	}
	if _, err := os.Stat(filepath.Dir(p.o.Logrotate)); err != nil {
		return nil //nolint:nilerr // the operator rotates by other means
	}
	_, err := file.Write(p.o.Logrotate, []byte(p.o.rotation()), file.Owner{Mode: 0o644})
	return err
}

// test lets ProFTPD read its configuration. It ends with success, too, when it leaves an included file out because of a mistake in it; the operator's
// are his to mend.
func (p *Part) test(ctx context.Context) error {
	args := []string{"-t"}
	if p.o.Conf != "" {
		args = append(args, "-c", p.o.Conf)
	}
	out, err := daemon.Run(ctx, p.o.Program, args...)
	for line := range strings.Lines(out) {
		if err == nil && strings.Contains(line, "fatal:") && strings.Contains(line, p.o.Include) {
			err = fault.Internal("ProFTPD does not take %s: %s", p.o.Include, strings.TrimSpace(line))
		}
	}
	return err
}

func (p *Part) reload(ctx context.Context) error {
	if err := p.test(ctx); err != nil { // the operator may have changed something
		return err
	}
	if err := p.o.daemon().Signal(unix.SIGHUP); err != nil {
		return err
	}
	file.Step("reload proftpd")
	for begun := time.Now(); ; {
		got := p.greeted(ctx)
		if strings.Contains(got, p.o.greeting()) {
			p.laid = true
			return nil
		}
		if time.Since(begun) > p.o.Wait {
			return fault.Unavailable("ProFTPD did not load %s in %s: it greets with %.60q at %s; does its configuration include the file, without a ServerIdent of its own?",
				p.o.Include, p.o.Wait, got, p.o.Probe)
		}
		if err := pause.For(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}

// greeted is the first line of a session, "" without one.
func (p *Part) greeted(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", p.o.Probe)
	if err != nil {
		return ""
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	line, _ := bufio.NewReaderSize(conn, 512).ReadSlice('\n')
	return strings.TrimSpace(string(line))
}
