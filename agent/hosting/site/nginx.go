package site

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/agent/hosting/daemon"
	"github.com/steelyard/steelyard/agent/hosting/file"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/pause"
)

// nginx is the daemon on the side of the visitors.
type nginx struct {
	o      *Options
	claims *claims // nil where it is not reloaded
}

func (n nginx) dir() string { return n.o.nginxDir() }

func (n nginx) daemon() daemon.Program {
	return daemon.Program{Name: filepath.Base(n.o.Nginx), PIDFile: n.o.NginxPID, Start: "systemctl start nginx"}
}

// files are those of ours that are not of an account.
func (n nginx) files() map[string]string {
	return map[string]string{
		filepath.Join(n.dir(), "base.conf"): n.o.base(),
		filepath.Join(n.dir(), "test.conf"): n.o.nginxTest(),
		n.o.NginxInclude:                    n.o.nginxInclude(),
	}
}

func (n nginx) try(ctx context.Context) error {
	_, err := daemon.Run(ctx, n.o.Nginx, "-t", "-q", "-e", "stderr", "-c", filepath.Join(n.dir(), "test.conf"))
	return err
}

// whole tests everything that nginx would load, the operator's part too.
func (n nginx) whole(ctx context.Context) error {
	args := []string{"-t", "-q", "-e", "stderr"}
	if n.o.NginxConf != "" {
		args = append(args, "-c", n.o.NginxConf)
	}
	_, err := daemon.Run(ctx, n.o.Nginx, args...)
	return err
}

// room is for all: nginx has files open for visitors, not for accounts.
func (n nginx) room(int) error { return nil }

// reload asks for the new files and returns when new connections are served by them alone: nginx answers the new generation, and
// its former workers accept no more.
func (n nginx) reload(ctx context.Context) error {
	names, err := n.claims.list()
	if err != nil {
		return err
	}
	if _, err := file.Write(filepath.Join(n.dir(), "names.list"), []byte(names), file.Root); err != nil {
		return err
	}
	text := strings.ToLower(rand.Text())
	if _, err := file.Write(filepath.Join(n.dir(), "generation.conf"), []byte(n.o.generation(text)), file.Root); err != nil {
		return err
	}
	master, err := n.daemon().PID()
	if err != nil {
		return err
	}
	former := daemon.Children(master)
	if err := n.daemon().Signal(unix.SIGHUP); err != nil {
		return err
	}
	file.Step("reload nginx")
	return n.await(ctx, func() error {
		if got := n.asked(ctx); got != text {
			return fmt.Errorf("nginx did not load the sites: it answers %.60q at %s", got, n.o.Probe)
		}
		if slices.ContainsFunc(former, accepts) {
			return errors.New("former workers of nginx still serve")
		}
		return nil
	})
}

// accepts tells whether a worker takes new connections.
func accepts(worker int) bool {
	title := daemon.Title(worker)
	return title != "" && !strings.Contains(title, "shutting down")
}

// suspicious is after how long nginx is asked whether it likes the files at all.
const suspicious = 3 * time.Second

func (n nginx) await(ctx context.Context, done func() error) error {
	begun, tested := time.Now(), false
	for {
		err := done()
		if err == nil {
			return nil
		}
		since := time.Since(begun)
		if since > suspicious && !tested {
			tested = true
			if bad := n.whole(ctx); bad != nil && ctx.Err() == nil {
				return refused{fault.Refused("nginx goes on with its former sites: %w", bad)}
			}
		}
		if since > n.o.Wait {
			return fault.Unavailable("%v after %s; does nginx.conf include %s, and does nothing else listen there?", err, n.o.Wait, n.o.NginxInclude)
		}
		if err := pause.For(ctx, min(20*time.Millisecond+since/10, 500*time.Millisecond)); err != nil {
			return err
		}
	}
}

// asked is the generation that nginx answers.
func (n nginx) asked(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", n.o.Probe)
	if err != nil {
		return ""
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.WriteString(conn, "GET / HTTP/1.0\r\nHost: "+asked+"\r\n\r\n"); err != nil {
		return ""
	}
	answer, _ := io.ReadAll(io.LimitReader(conn, 4096))
	head, body, _ := strings.Cut(string(answer), "\r\n\r\n")
	if !strings.Contains(head, " 200 ") {
		return ""
	}
	return body
}
