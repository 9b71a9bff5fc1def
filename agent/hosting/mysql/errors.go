package mysql

import (
	"errors"
	"regexp"

	driver "github.com/go-sql-driver/mysql"

	"github.com/steelyard/steelyard/pkg/fault"
)

// down says what to do about a server that cannot be asked.
func (p *Part) down(err error) error {
	var refused *driver.MySQLError
	if !errors.As(err, &refused) {
		return fault.Unavailable("the database server at %s cannot be asked: %w; start MariaDB (systemctl start mariadb)", p.o.Socket, err)
	}
	const denied, noTable = 1045, 1146
	switch refused.Number {
	case denied:
		return fault.Unavailable("the database server at %s lets root not log in without password: %w; give root@localhost the plugin unix_socket", p.o.Socket, err)
	case noTable:
		return fault.Unavailable("the database server at %s is no MariaDB from 10.4 on: %w; install MariaDB", p.o.Socket, err)
	}
	return err
}

// digest is what may be one.
var digest = regexp.MustCompile(`\*[0-9A-Fa-f]{8,}`)

// hide takes digests out of what the server says: it quotes the statement that it did not understand.
func hide(err error) error {
	var refused *driver.MySQLError
	if !errors.As(err, &refused) {
		return err
	}
	said := *refused
	said.Message = digest.ReplaceAllString(said.Message, "*…")
	return &said
}
