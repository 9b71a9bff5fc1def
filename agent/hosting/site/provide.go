package site

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/steelyard/steelyard/agent/hosting/daemon"
	"github.com/steelyard/steelyard/agent/hosting/part"
	"github.com/steelyard/steelyard/protocol"
)

// Provide looks for nginx and PHP-FPM, and whether they run.
func (p *Part) Provide(ctx context.Context) part.Provision {
	p.find()
	web, php := p.provideWeb(ctx), p.providePHP(ctx)
	return part.Provision{
		Components: []protocol.Component{web, php},
		Switches:   map[string]bool{"web": web.Problem == "", "php": web.Problem == "" && php.Problem == ""},
	}
}

func (p *Part) provideWeb(ctx context.Context) protocol.Component {
	c := protocol.Component{Part: p.Name(), Name: "nginx"}
	if !daemon.IsThere(p.o.Nginx) {
		c.Problem = "nginx is missing: apt-get install nginx-light"
		return c
	}
	out, err := daemon.Run(ctx, p.o.Nginx, "-v")
	_, c.Version, _ = strings.Cut(out, "nginx/")
	if err == nil {
		_, err = nginx{o: &p.o}.daemon().PID()
	}
	if err == nil {
		_, err = p.group()
	}
	if err != nil {
		c.Problem = err.Error()
	} else if _, err := os.Stat(filepath.Join(p.web.dir, "generation.conf")); err == nil && (nginx{o: &p.o}).asked(ctx) == "" {
		c.Problem = "nginx does not serve the sites at " + p.o.Probe + ": nginx.conf must include " + p.o.NginxInclude + ", and nothing else may listen there"
	}
	return c
}

func (p *Part) providePHP(ctx context.Context) protocol.Component {
	c := protocol.Component{Part: p.Name(), Name: "php-fpm"}
	if p.o.PHP == nil {
		c.Problem = "PHP is missing: apt-get install php-fpm"
		return c
	}
	c.Version = p.o.PHP.Version
	if out, err := daemon.Run(ctx, p.o.PHP.Program, "-v"); err == nil {
		if fields := strings.Fields(out); len(fields) > 1 {
			c.Version = fields[1]
		}
	}
	if _, err := p.o.PHP.daemon().PID(); err != nil {
		c.Problem = err.Error()
	}
	return c
}
