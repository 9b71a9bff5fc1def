package site

import (
	"cmp"
	"os"
	"time"

	"github.com/steelyard/steelyard/agent/hosting/daemon"
	"github.com/steelyard/steelyard/agent/hosting/part"
)

// Options say where things are. What is not given is where Debian has it.
type Options struct {
	Layout       part.Layout
	Group        string        // of nginx's workers, and their user: "www-data"
	Listen       []string      // addresses of all sites as nginx has them: "80", and "[::]:80" where the node has IPv6
	Probe        string        // "127.0.0.1:80": where nginx is asked what it has loaded
	Nginx        string        // "/usr/sbin/nginx"
	NginxConf    string        // main configuration; "" what nginx was built with
	NginxPID     string        // "/run/nginx.pid"
	NginxInclude string        // "/etc/nginx/conf.d/steelyard.conf"
	PHP          *PHP          // nil: what is found in PHPRoot
	PHPRoot      string        // "/etc/php"
	PHPVersion   string        // "8.2"; "" the one that accounts have already, or the newest
	PHPChildren  int           // processes of one account at once, 8
	Logrotate    string        // "/etc/logrotate.d/steelyard-hosting"; not written where the directory is missing
	Body         int           // MiB of a request, 64
	Wait         time.Duration // for a reload, 3 minutes: nginx takes seconds for thousands of accounts, and longer on a busy node
}

// PHP is one installed version of PHP-FPM.
type PHP struct {
	Version string
	Program string // "/usr/sbin/php-fpm8.2"
	Conf    string // main configuration; "" what it was built with
	PID     string // "/run/php/php8.2-fpm.pid"
	Include string // "/etc/php/8.2/fpm/pool.d/steelyard.conf"
	Sockets string // "/run/php": directory that is there before PHP-FPM starts
}

func (o Options) filled() Options {
	if o.Layout == (part.Layout{}) {
		o.Layout = part.Standard
	}
	o.Group = cmp.Or(o.Group, "www-data")
	if len(o.Listen) == 0 {
		o.Listen = []string{"80"}
		if _, err := os.Stat("/proc/net/if_inet6"); err == nil { // without IPv6 nginx would not start
			o.Listen = append(o.Listen, "[::]:80")
		}
	}
	o.Probe = cmp.Or(o.Probe, "127.0.0.1:80")
	o.Nginx = cmp.Or(o.Nginx, "/usr/sbin/nginx")
	o.NginxPID = cmp.Or(o.NginxPID, "/run/nginx.pid")
	o.NginxInclude = cmp.Or(o.NginxInclude, "/etc/nginx/conf.d/steelyard.conf")
	o.PHPRoot = cmp.Or(o.PHPRoot, "/etc/php")
	o.PHPChildren = cmp.Or(o.PHPChildren, 8)
	o.Logrotate = cmp.Or(o.Logrotate, "/etc/logrotate.d/steelyard-hosting")
	o.Body = cmp.Or(o.Body, 64)
	o.Wait = cmp.Or(o.Wait, 3*time.Minute)
	return o
}

// daemon of the version.
func (v *PHP) daemon() daemon.Program {
	name := "php-fpm" + v.Version
	return daemon.Program{Name: name, PIDFile: v.PID, Start: "systemctl start php" + v.Version + "-fpm"}
}
