package mysql

import (
	"context"
	"fmt"

	"github.com/steelyard/steelyard/agent/hosting/part"
	"github.com/steelyard/steelyard/protocol"
)

// Provide asks the server what it is and whether root may make users.
func (p *Part) Provide(ctx context.Context) part.Provision {
	c := protocol.Component{Part: p.Name(), Name: "MariaDB"}
	err := p.rows(ctx, "SELECT @@version, @@version_comment, CURRENT_USER()", func(version, _, _ string) { c.Version = version })
	if err == nil {
		err = p.rows(ctx, "SELECT COUNT(*) FROM mysql.global_priv", func(_, _, _ string) {})
	}
	if err == nil {
		err = p.open(ctx)
	}
	if err != nil {
		c.Problem = err.Error()
	}
	return part.Provision{Components: []protocol.Component{c}, Switches: map[string]bool{"databases": err == nil}}
}

// open is the error of a server on which somebody without name has rights on databases: he could reach those of customers.
func (p *Part) open(ctx context.Context) error {
	var who error
	err := p.rows(ctx, "SELECT Host, Db FROM mysql.db WHERE User = ''", func(host, db, _ string) {
		who = fmt.Errorf("everybody at %q may use the databases %q: run mariadb-secure-installation, or revoke it", host, db)
	})
	if err != nil {
		return err
	}
	return who
}
