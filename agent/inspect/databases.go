package inspect

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/steelyard/steelyard/protocol"
)

const (
	sqlTime     = 15 * time.Second
	maxDatabase = 200_000 // databases, or logins
)

// databases finds those of MariaDB, MySQL and PostgreSQL, and who may log in to them.
func databases(ctx context.Context, m *machine) ([]protocol.Found, string, error) {
	var a all
	var how []string
	for _, look := range []func(context.Context, *machine) ([]protocol.Found, string, error){mariadb, postgres} {
		found, way, err := look(ctx, m)
		a.add(found, err)
		if way != "" {
			how = append(how, way)
		}
	}
	if len(how) == 0 {
		how = []string{"no database server is installed"}
	}
	return a.found, strings.Join(how, "; "), a.err(ctx)
}

// mariadb asks the server that runs, as root over its socket; without one it looks into the directory of its data.
func mariadb(ctx context.Context, m *machine) ([]protocol.Found, string, error) {
	dir, sockets := m.mariadbPlaces()
	info, err := m.stat(dir)
	if err != nil || info == nil {
		return nil, "", err
	}
	var refused error
	for _, s := range sockets {
		if info, err := m.stat(s); err != nil || info == nil {
			continue
		}
		at, err := m.at(s)
		if err == nil {
			var found []protocol.Found
			if found, err = askMariaDB(ctx, at); err == nil {
				return found, "the MariaDB or MySQL server was asked", nil
			}
		}
		refused = err
	}
	found, err := m.mariadbFiles(dir)
	way := "the directory of MariaDB or MySQL was listed, because no server runs there"
	if refused != nil {
		way = "the directory of MariaDB or MySQL was listed"
		err = errors.Join(err, fmt.Errorf("the database server lets nobody ask who may log in: %w", refused))
	}
	return found, way, err
}

// mariadbPlaces are where its data and its sockets are, as configured.
func (m *machine) mariadbPlaces() (dir string, sockets []string) {
	dir = "/var/lib/mysql"
	c := config{ctx: context.Background(), m: m, root: "/etc/mysql", seen: map[string]bool{}}
	c.parse = func(_ *config, _, text string, _ int) {
		for line := range strings.Lines(text) {
			key, value, ok := strings.Cut(strings.TrimSpace(line), "=")
			value = strings.Trim(strings.TrimSpace(value), `"'`)
			switch key = strings.TrimSpace(key); {
			case !ok || !path.IsAbs(value):
			case key == "datadir":
				dir = value
			case key == "socket" && !slices.Contains(sockets, value):
				sockets = append(sockets, value)
			}
		}
	}
	for _, pattern := range []string{"/etc/my.cnf", "/etc/my.cnf.d/*.cnf", "/etc/mysql/my.cnf", "/etc/mysql/conf.d/*.cnf", "/etc/mysql/mariadb.conf.d/*.cnf", "/etc/mysql/mysql.conf.d/*.cnf"} {
		c.include(pattern, 0)
	}
	for _, s := range []string{"/run/mysqld/mysqld.sock", "/var/lib/mysql/mysql.sock"} {
		if !slices.Contains(sockets, s) {
			sockets = append(sockets, s)
		}
	}
	return dir, sockets
}

// ownSchemas are of the server itself, and ownLogins those that it or its package makes.
var (
	ownSchemas = []string{"information_schema", "performance_schema", "mysql", "sys"}
	ownLogins  = []string{"root", "mysql", "mariadb.sys", "mysql.sys", "mysql.session", "mysql.infoschema", "debian-sys-maint", "PUBLIC"}
)

// askMariaDB lists databases and logins.
func askMariaDB(ctx context.Context, socket string) (found []protocol.Found, err error) {
	ctx, cancel := context.WithTimeout(ctx, sqlTime)
	defer cancel()
	c := mysql.NewConfig()
	c.Net, c.Addr, c.User = "unix", socket, "root"
	c.Timeout, c.ReadTimeout, c.WriteTimeout = sqlTime, sqlTime, sqlTime
	c.Logger = log.New(io.Discard, "", 0)
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	defer func() { _ = db.Close() }()
	names, err := column(ctx, db, "SHOW DATABASES")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if !slices.Contains(ownSchemas, strings.ToLower(name)) {
			found = append(found, thing(name, "MariaDB or MySQL", "", "mysql", name))
		}
	}
	logins, err := column(ctx, db, "SELECT CONCAT(User, '@', Host) FROM mysql.user")
	for _, login := range logins {
		user, host, _ := strings.Cut(login, "@")
		if !slices.Contains(ownLogins, user) || user == "root" && host != "localhost" {
			found = append(found, thing("login "+login, "MariaDB or MySQL", "", "mysql-login", login))
		}
	}
	return found, err
}

func column(ctx context.Context, db *sql.DB, query string) (list []string, err error) {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return list, err
		}
		if list = append(list, text); len(list) > maxDatabase {
			return list, fmt.Errorf("there are more than %d", maxDatabase)
		}
	}
	return list, rows.Err()
}

// mariadbFiles lists the directories of databases.
func (m *machine) mariadbFiles(dir string) (found []protocol.Found, err error) {
	names, err := m.list(dir)
	for _, name := range names {
		if strings.HasPrefix(name, "#") || name == "lost+found" || slices.Contains(ownSchemas, name) || !m.isDir(path.Join(dir, name)) {
			continue
		}
		name = schemaOf(name)
		found = append(found, thing(name, "MariaDB or MySQL", "", "mysql", name))
	}
	return found, err
}

// schemaOf reads the name of a directory: other letters than those of ASCII are @ and four hexadecimal digits.
func schemaOf(dir string) string {
	var b strings.Builder
	for i := 0; i < len(dir); i++ {
		if dir[i] == '@' && i+5 <= len(dir) {
			if n, err := strconv.ParseUint(dir[i+1:i+5], 16, 16); err == nil {
				b.WriteRune(rune(n))
				i += 4
				continue
			}
		}
		b.WriteByte(dir[i])
	}
	return b.String()
}

// firstUserDatabase is the lowest number of a database that somebody made (PostgreSQL's FirstNormalObjectId).
const firstUserDatabase = 16384

// postgres lists the directories of databases: their names are inside, their numbers say enough.
func postgres(ctx context.Context, m *machine) (found []protocol.Found, way string, err error) {
	var a all
	c := config{ctx: ctx, m: m, root: "/"}
	for _, dir := range c.glob("/var/lib/postgresql/*/*/base") {
		names, err := m.list(dir)
		a.add(nil, err)
		for _, name := range names {
			n, bad := strconv.ParseUint(name, 10, 32)
			cluster := strings.Join(strings.Split(dir, "/")[4:6], "/")
			if bad == nil && n >= firstUserDatabase {
				a.add([]protocol.Found{thing("database "+name+" of "+cluster, "PostgreSQL", "", "postgresql", cluster, name)}, nil)
			}
		}
		way = "the directories of PostgreSQL were listed"
	}
	for _, err := range c.errs {
		a.add(nil, err)
	}
	return a.found, way, a.err(ctx)
}
