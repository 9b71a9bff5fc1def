package hosting

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// customer is somebody who has an account, with what he was told.
type customer struct {
	*world
	id, domain, user, password string
	secret                     string // of his databases
}

// curl speaks most of what a customer's programs do. Secrets are in a file, not among the arguments.
func (w *world) curl(password string, args ...string) (string, error) {
	if password != "" {
		file := filepath.Join(w.t.TempDir(), "curl")
		w.write(file, fmt.Sprintf("user = %q\n", password))
		args = append([]string{"-K", file}, args...)
	}
	out, err := exec.Command("curl", append([]string{"-sS", "--max-time", "20"}, args...)...).CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("curl %v: %w: %s", args, err, out)
	}
	return string(out), nil
}

// get asks the web server for a page under a name. The answer begins with the status.
func (w *world) get(host, path string) (string, error) {
	return w.curl("", "-w", "%{stderr}", "-o", "-", "-D", "-", "--resolve", host+":80:127.0.0.1", "http://"+host+path)
}

func (c *customer) login() string { return c.user + ":" + c.password }

// upload brings a file by FTP.
func (c *customer) upload(path, text string) error {
	file := filepath.Join(c.t.TempDir(), "upload")
	c.write(file, text)
	_, err := c.curl(c.login(), "-T", file, "ftp://127.0.0.1/"+path)
	return err
}

func (c *customer) download(path string) (string, error) {
	return c.curl(c.login(), "ftp://127.0.0.1/"+path)
}

// ssh runs a command as the customer would. The password is told by a program that only reads it from a file.
func (c *customer) ssh(command ...string) (string, error) {
	dir := c.t.TempDir()
	secret, ask := filepath.Join(dir, "secret"), filepath.Join(dir, "ask")
	c.write(secret, c.password+"\n")
	if err := os.WriteFile(ask, []byte("#!/bin/sh\ncat "+secret+"\n"), 0o700); err != nil {
		return "", err
	}
	cmd := exec.Command("ssh", append([]string{
		"-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o", "NumberOfPasswordPrompts=1", "-o", "PubkeyAuthentication=no",
		"-o", "ConnectTimeout=20", c.user + "@127.0.0.1",
	}, command...)...)
	cmd.Env = append(os.Environ(), "SSH_ASKPASS="+ask, "SSH_ASKPASS_REQUIRE=force", "DISPLAY=none")
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// sql runs a statement in a database of the customer.
func (c *customer) sql(password, database, statement string) (string, error) {
	file := filepath.Join(c.t.TempDir(), "my.cnf")
	c.write(file, fmt.Sprintf("[client]\nuser=%s\npassword=%s\n", c.user, password))
	out, err := exec.Command("mariadb", "--defaults-extra-file="+file, "--batch", "--skip-column-names", database, "-e", statement).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}
