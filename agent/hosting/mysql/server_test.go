package mysql

import (
	"context"
	"crypto/sha1"
	"database/sql"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	driver "github.com/go-sql-driver/mysql"

	"github.com/steelyard/steelyard/agent/hosting/hostingtest"
	"github.com/steelyard/steelyard/agent/hosting/part"
	"github.com/steelyard/steelyard/protocol"
)

// template is the directory of a server that never ran; tests copy it.
var template = struct {
	sync.Once
	dir string
}{}

func TestMain(m *testing.M) {
	code := m.Run()
	if template.dir != "" {
		_ = os.RemoveAll(template.dir)
	}
	os.Exit(code)
}

// server is a MariaDB that the test started, with a part on it.
type server struct {
	t      testing.TB
	dir    string
	socket string
	part   *Part
}

func start(t testing.TB, options ...string) *server {
	t.Helper()
	hostingtest.Need(t, "mariadbd", "mariadb-install-db", "cp")
	template.Do(func() {
		dir, err := os.MkdirTemp("", "mariadb")
		if err != nil {
			t.Fatal(err)
		}
		template.dir = dir
		hostingRun(t, "mariadb-install-db", "--no-defaults", "--user=mysql", "--datadir="+dir, "--skip-test-db")
	})
	dir := hostingtest.Dir(t)
	run, data := filepath.Join(dir, "run"), filepath.Join(dir, "data")
	hostingRun(t, "cp", "-a", template.dir, data)
	hostingRun(t, "install", "-d", "-o", "mysql", "-m", "755", run)
	s := &server{t: t, dir: dir, socket: filepath.Join(run, "s")}
	program := hostingtest.Need(t, "mariadbd")
	args := append([]string{program, "--no-defaults", "--user=mysql", "--datadir=" + data, "--socket=" + s.socket, "--skip-networking", "--innodb-buffer-pool-size=32M", "--tmpdir=" + run}, options...)
	root := s.login("root", "")
	hostingtest.Start(t, hostingtest.Daemon{Args: args, Ready: root.Ping})
	s.part = s.anew()
	return s
}

// anew is a part that knows nothing yet, as after a start of the agent.
func (s *server) anew() *Part {
	s.t.Helper()
	p, err := New(Options{Layout: part.Layout{State: filepath.Join(s.dir, "state")}, Socket: s.socket})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = p.Close() })
	return p
}

func hostingRun(t testing.TB, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(context.Background(), args[0], args[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %v: %s", args, err, out)
	}
}

// login is one session of a user.
func (s *server) login(user, password string) *sql.DB {
	s.t.Helper()
	c := driver.NewConfig()
	c.Net, c.Addr, c.User, c.Passwd = "unix", s.socket, user, password
	c.Timeout, c.ReadTimeout = 5*time.Second, time.Minute
	c.Logger = quiet{}
	connector, err := driver.NewConnector(c)
	if err != nil {
		s.t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(1)
	s.t.Cleanup(func() { _ = db.Close() })
	return db
}

type quiet struct{}

func (quiet) Print(...any) {}

func (s *server) may(db *sql.DB, statements ...string) {
	s.t.Helper()
	for _, text := range statements {
		if _, err := db.Exec(text); err != nil {
			s.t.Errorf("%s: %v", text, err)
		}
	}
}

func (s *server) mayNot(db *sql.DB, statements ...string) {
	s.t.Helper()
	for _, text := range statements {
		if _, err := db.Exec(text); err == nil {
			s.t.Errorf("%s: was done", text)
		}
	}
}

func (s *server) ensure(a *part.Account) {
	s.t.Helper()
	if err := s.part.Ensure(s.t.Context(), a); err != nil {
		s.t.Fatal(err)
	}
	if err := s.part.Settle(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}

// state is all that the server has of users, rights and databases, and the claims beside it.
func (s *server) state() map[string]string {
	s.t.Helper()
	all := map[string]string{}
	root := s.login("root", "")
	for _, query := range []string{
		"SELECT CONCAT('user ', User, '@', Host), JSON_REMOVE(Priv, '$.password_last_changed', '$.password_lifetime', '$.auth_or') FROM mysql.global_priv",
		"SELECT CONCAT('grant ', User, '@', Host, ' ', Db), " + columns() + " FROM mysql.db",
		"SELECT CONCAT('database ', SCHEMA_NAME), DEFAULT_CHARACTER_SET_NAME FROM information_schema.SCHEMATA",
		"SELECT CONCAT('table ', TABLE_SCHEMA, '.', TABLE_NAME), TABLE_TYPE FROM information_schema.TABLES WHERE TABLE_TYPE = 'BASE TABLE'",
		"SELECT CONCAT('fine ', User, Db, Table_name), Table_priv FROM mysql.tables_priv",
		"SELECT CONCAT('routine ', db, name), type FROM mysql.proc",
	} {
		rows, err := root.Query(query)
		if err != nil {
			s.t.Fatal(err)
		}
		for rows.Next() {
			var key, value string
			if err := rows.Scan(&key, &value); err != nil {
				s.t.Fatal(err)
			}
			all[key] = value
		}
		_ = rows.Close()
	}
	if _, err := os.Stat(s.part.claims()); err == nil {
		for name, text := range hostingtest.Picture(s.t, s.part.claims()) {
			all["claim "+name] = text
		}
	}
	return all
}

// digestOf is what mysql_native_password keeps of a password.
func digestOf(password string) string {
	once := sha1.Sum([]byte(password))
	twice := sha1.Sum(once[:])
	return "*" + strings.ToUpper(hex.EncodeToString(twice[:]))
}

func hosted(user string, databases ...string) *part.Account {
	return &part.Account{HostedAccount: protocol.HostedAccount{
		ID: "acc-" + user, Version: 1, State: protocol.HostedPresent, User: user, DatabasePassword: digestOf("secret-" + user), Databases: databases,
	}}
}

// many are n accounts with three databases each.
func many(n int) []*part.Account {
	var list []*part.Account
	for i := range n {
		u := fmt.Sprintf("user%d", i)
		list = append(list, hosted(u, u+"_a", u+"_b", u+"_c"))
	}
	return list
}

func keys(all map[string]string, part string) (list []string) {
	for k := range all {
		if strings.Contains(k, part) {
			list = append(list, k)
		}
	}
	slices.Sort(list)
	return list
}
