package mysql

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"log"
	"path/filepath"
	"time"

	driver "github.com/go-sql-driver/mysql"

	"github.com/steelyard/steelyard/agent/hosting/part"
)

// Options say where things are. The zero value is a Debian system with the standard layout.
type Options struct {
	Layout   part.Layout   // zero: part.Standard
	Socket   string        // of the server; "" /run/mysqld/mysqld.sock
	Sessions int           // that one account may have open at a time; 0: 25. The server has 151 for all
	Patience time.Duration // for the end of sessions and for a statement that waits for a lock; 0: 20 s
}

func (o Options) withDefaults() Options {
	if o.Layout == (part.Layout{}) {
		o.Layout = part.Standard
	}
	if o.Socket == "" {
		o.Socket = "/run/mysqld/mysqld.sock"
	}
	if o.Sessions == 0 {
		o.Sessions = 25
	}
	if o.Patience == 0 {
		o.Patience = 20 * time.Second
	}
	return o
}

// Part makes databases. Its methods are called one at a time.
type Part struct {
	o    Options
	db   *sql.DB
	seen view
}

// New opens nothing yet.
func New(o Options) (*Part, error) {
	o = o.withDefaults()
	c := driver.NewConfig()
	c.Net, c.Addr, c.User = "unix", o.Socket, "root"
	c.Timeout, c.ReadTimeout, c.WriteTimeout = 5*time.Second, 2*time.Minute, 30*time.Second
	c.Logger = log.New(io.Discard, "", 0)
	c.Params = map[string]string{
		"sql_log_off": "1", "slow_query_log": "0", // digests of passwords stay out of logs
		"sql_mode": "'NO_AUTO_CREATE_USER'", "lock_wait_timeout": fmt.Sprint(max(1, int(o.Patience.Seconds()))), "max_statement_time": "100",
	}
	connector, err := driver.NewConnector(c)
	if err != nil {
		return nil, fmt.Errorf("connect to the database server at %s: %w", o.Socket, err)
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(2)
	db.SetMaxIdleConns(1)
	db.SetConnMaxIdleTime(time.Minute)
	return &Part{o: o, db: db}, nil
}

// Close ends the connections to the server.
func (p *Part) Close() error { return p.db.Close() }

// Name is "mysql".
func (p *Part) Name() string { return "mysql" }

// Settle has nothing to reload. What was read of all accounts serves the next batches of the same pass, too: read anew for each, a pass over all
// would cost the square of their number.
func (p *Part) Settle(context.Context) error {
	p.seen.asked = 0
	return nil
}

// claims is the directory of the files that say whose a database user is.
func (p *Part) claims() string { return filepath.Join(p.o.Layout.State, "mysql") }
