package mail

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/steelyard/steelyard/agent/hosting/daemon"
	"github.com/steelyard/steelyard/agent/hosting/mail/scan"
	"github.com/steelyard/steelyard/agent/hosting/part"
	"github.com/steelyard/steelyard/protocol"
)

// Provide looks whether the daemons run and are prepared. What they read is made where it is missing: they do not start without.
func (p *Part) Provide(ctx context.Context) part.Provision {
	postfix, dovecot, clamav := p.postfix(ctx), p.looksDovecot(ctx), p.clamav(ctx)
	mail := postfix.Problem == "" && dovecot.Problem == ""
	return part.Provision{
		Components: []protocol.Component{postfix, dovecot, clamav},
		Switches:   map[string]bool{"mail": mail, "imap": mail, "mailing_lists": mail, "virus_scan": mail && clamav.Problem == ""},
	}
}

func (p *Part) postfix(ctx context.Context) protocol.Component {
	c := protocol.Component{Part: p.Name(), Name: "Postfix"}
	if err := p.begin(ctx); err != nil {
		c.Problem = err.Error()
		return c
	}
	wanted, names := Prepare(p.o).Main, []string{"mail_version"}
	for _, want := range wanted {
		names = append(names, want.Name)
	}
	has, err := p.parameters(ctx, names...)
	if err != nil {
		c.Problem = err.Error()
		return c
	}
	c.Version = has["mail_version"]
	for _, want := range wanted {
		if !want.in(has[want.Name]) {
			c.Problem = fmt.Sprintf("main.cf is not prepared: postconf -e '%s = %s', then postfix reload", want.Name, want.Value)
			return c
		}
	}
	if info, err := os.Stat(p.o.Postlog); err == nil && info.Mode()&os.ModeSetgid != 0 && info.Mode()&0o011 != 0 {
		c.Problem = fmt.Sprintf("with %s every customer may write into the log that mail is counted by: dpkg-statoverride --add --update root root 0755 %[1]s", p.o.Postlog)
		return c
	}
	master := daemon.Program{Name: "master", PIDFile: filepath.Join(p.o.Queue, "pid", "master.pid"), Start: "systemctl start postfix"}
	if _, err := master.PID(); err != nil {
		c.Problem = err.Error()
	}
	return c
}

// begin makes directories and empty maps.
func (p *Part) begin(ctx context.Context) error {
	if err := p.able(); err != nil {
		return err
	}
	p.ready = false // what somebody took away since comes back
	if err := p.prepare(); err != nil {
		return err
	}
	return p.apply(ctx, nil)
}

// in reports whether the value of main.cf is as wanted, or holds it.
func (w Parameter) in(value string) bool {
	if w.Has == nil {
		return strings.Join(strings.Fields(value), " ") == w.Value
	}
	for _, part := range w.Has {
		if !strings.Contains(value, part) {
			return false
		}
	}
	return true
}

// parameters are what main.cf says, by name; one that Postfix does not know is not among them.
func (p *Part) parameters(ctx context.Context, names ...string) (map[string]string, error) {
	said, err := quiet(ctx, p.o.Postconf, append([]string{"-c", p.o.Postfix}, names...)...)
	if err != nil {
		return nil, err
	}
	has := map[string]string{}
	for line := range strings.Lines(said) {
		name, value, _ := strings.Cut(line, "=")
		has[strings.TrimSpace(name)] = strings.TrimSpace(value)
	}
	return has, nil
}

// quiet is what a program prints, without its warnings.
func quiet(ctx context.Context, program string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.Dir, cmd.WaitDelay = &out, &said, "/", time.Second
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w: %s", program, err, daemon.Last(strings.TrimSpace(said.String()), 300))
	}
	return strings.TrimSpace(out.String()), nil
}

func (p *Part) looksDovecot(ctx context.Context) protocol.Component {
	c := protocol.Component{Part: p.Name(), Name: "Dovecot"}
	version, err := quiet(ctx, p.o.Program, "--version")
	if err != nil {
		c.Problem = "it is missing or its configuration is wrong: " + err.Error()
		return c
	}
	c.Version, _, _ = strings.Cut(version, " ")
	if !strings.HasPrefix(c.Version, "2.3.") {
		c.Problem = "its configuration is another than that of 2.3, which this part knows"
		return c
	}
	if c.Problem = p.counts(ctx); c.Problem != "" {
		return c
	}
	for _, name := range []string{socketDeliver, socketLogin, socketQuota} {
		path := filepath.Join(p.o.Queue, "private", name)
		conn, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "unix", path)
		if err != nil {
			c.Problem = fmt.Sprintf("it does not serve %s (%v): put the file of docs/nodes.md into its conf.d and start it (systemctl restart dovecot)", path, err)
			return c
		}
		_ = conn.Close()
	}
	return c
}

// counts says what keeps sessions from being counted.
func (p *Part) counts(ctx context.Context) string {
	said, err := quiet(ctx, p.o.Doveconf, "-c", p.o.Dovecot, "-h", "info_log_path", "log_timestamp", "imap_logout_format", "pop3_logout_format")
	if err != nil {
		return "its configuration cannot be read: " + err.Error()
	}
	for _, has := range []string{p.o.dovecotLog() + "\n", "%Y-%m-%dT%H:%M:%S%z ", imapEnd + "\n", pop3End} {
		if !strings.Contains(said, has) {
			return fmt.Sprintf("sessions would not be counted, its configuration lacks %q: put the file of docs/nodes.md into its conf.d and restart it (systemctl restart dovecot)", strings.TrimSpace(has))
		}
	}
	return ""
}

func (p *Part) clamav(ctx context.Context) protocol.Component {
	c := protocol.Component{Part: p.Name(), Name: "ClamAV"}
	said, err := scan.Ask(p.o.Clamd, "VERSION")
	if err != nil {
		c.Problem = fmt.Sprintf("no virus scan, mail is delivered unscanned: clamd does not answer at %s (%v): install clamav-daemon", p.o.Clamd, err)
		return c
	}
	c.Version, _, _ = strings.Cut(strings.TrimPrefix(said, "ClamAV "), "/")
	want := Scanning()
	if has, err := p.parameters(ctx, want.Name); err != nil || !want.in(has[want.Name]) {
		c.Problem = fmt.Sprintf("no virus scan, mail is delivered unscanned: postconf -e '%s = %s', then postfix reload", want.Name, want.Value)
	}
	return c
}
