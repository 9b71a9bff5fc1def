package ftp

import (
	"cmp"
	"path/filepath"
	"time"

	"github.com/steelyard/steelyard/agent/hosting/daemon"
	"github.com/steelyard/steelyard/agent/hosting/part"
)

// Options say where things are. What is not given is where Debian has it.
type Options struct {
	Layout    part.Layout
	Program   string // "/usr/sbin/proftpd"
	Conf      string // main configuration, absolute; "" what it was built with
	PID       string // "/run/proftpd.pid"
	Include   string // "/etc/proftpd/conf.d/steelyard.conf"
	Probe     string // "127.0.0.1:21": where ProFTPD is asked what it has loaded
	Passive   [2]int // ports of data connections, 49152 to 65534; a firewall must let them in
	Logrotate string // "/etc/logrotate.d/steelyard-ftp"; not written where the directory is missing
	Wait      time.Duration
}

func (o Options) filled() Options {
	if o.Layout == (part.Layout{}) {
		o.Layout = part.Standard
	}
	o.Program = cmp.Or(o.Program, "/usr/sbin/proftpd")
	o.PID = cmp.Or(o.PID, "/run/proftpd.pid")
	o.Include = cmp.Or(o.Include, "/etc/proftpd/conf.d/steelyard.conf")
	o.Probe = cmp.Or(o.Probe, "127.0.0.1:21")
	if o.Passive == [2]int{} {
		o.Passive = [2]int{49152, 65534}
	}
	o.Logrotate = cmp.Or(o.Logrotate, "/etc/logrotate.d/steelyard-ftp")
	o.Wait = cmp.Or(o.Wait, time.Minute)
	return o
}

func (o *Options) daemon() daemon.Program {
	return daemon.Program{Name: filepath.Base(o.Program), PIDFile: o.PID, Start: "systemctl start proftpd"}
}

func (o *Options) dir() string    { return filepath.Join(o.Layout.State, "ftp") }
func (o *Options) logins() string { return filepath.Join(o.dir(), "passwd") }
func (o *Options) groups() string { return filepath.Join(o.dir(), "group") }
func (o *Options) log() string    { return filepath.Join(o.Layout.Logs, "ftp.log") }
