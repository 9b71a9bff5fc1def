package unix

import (
	"bytes"
	"context"
	"os/exec"
	"regexp"
	"time"

	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/agent/hosting/part"
	"github.com/steelyard/steelyard/protocol"
)

// Provide tells which shells there are, and whether there is SSH.
func (p *Part) Provide(ctx context.Context) part.Provision {
	provision := part.Provision{Switches: map[string]bool{}}
	users := protocol.Component{Part: p.Name(), Name: "users", Problem: p.problem()}
	ssh := sshd(ctx)
	ssh.Part = p.Name()
	provision.Components = []protocol.Component{users, ssh}
	if users.Problem != "" {
		return provision
	}
	provision.Switches["ssh"] = ssh.Problem == ""
	for _, shell := range protocol.Shells {
		if shell == protocol.ShellFalse || (ssh.Problem == "" && unix.Access(shell, unix.X_OK) == nil) {
			provision.Shells = append(provision.Shells, shell)
		}
	}
	return provision
}

// problem is why no user can be made here.
func (p *Part) problem() string {
	if err := p.passwd.read(); err != nil {
		return err.Error()
	}
	if _, err := p.web(); err != nil {
		return err.Error()
	}
	if err := p.users.read(); err != nil {
		return err.Error()
	}
	return ""
}

var openSSH = regexp.MustCompile(`OpenSSH_([0-9][0-9A-Za-z.]*)`)

// sshd asks the server of SSH for its version. Older ones do not know the question and tell it all the same.
func sshd(ctx context.Context) protocol.Component {
	c := protocol.Component{Name: "OpenSSH server"}
	path, err := exec.LookPath("/usr/sbin/sshd")
	if err != nil {
		c.Problem = "there is no /usr/sbin/sshd, so no account can have a shell: install openssh-server"
		return c
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	out, _ := exec.CommandContext(ctx, path, "-V").CombinedOutput()
	if found := openSSH.FindSubmatch(bytes.TrimSpace(out)); found != nil {
		c.Version = string(found[1])
	}
	return c
}
