package mysql

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/steelyard/steelyard/agent/hosting/hostingtest"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// TestC5_ACustomerUsesHisDatabasesAndNoOthers: two customers on a real server, one of whose databases would match the other's grant if "_" stood for any letter.
func TestC5_ACustomerUsesHisDatabasesAndNoOthers(t *testing.T) {
	s := start(t)
	if got := s.part.Provide(t.Context()); !got.Switches["databases"] || got.Components[0].Version == "" {
		t.Fatalf("%+v", got)
	}
	s.ensure(hosted("bob", "bob_a_b", "bob_shop"))
	s.ensure(hosted("bobxa", "bobxa_b"))
	bob, other := s.login("bob", "secret-bob"), s.login("bobxa", "secret-bobxa")
	s.may(other, "CREATE TABLE bobxa_b.t (a INT)", "INSERT INTO bobxa_b.t VALUES (1)")
	s.may(bob, "CREATE TABLE bob_shop.t (a INT)", "INSERT INTO bob_shop.t VALUES (1)", "CREATE VIEW bob_shop.v AS SELECT * FROM bob_shop.t", "DROP TABLE bob_shop.t", "CREATE TABLE bob_a_b.t (a INT)")
	s.mayNot(bob, "SELECT * FROM bobxa_b.t", "CREATE TABLE bobxa_b.u (a INT)", "CREATE DATABASE bob_more", "SELECT * FROM mysql.global_priv", "SELECT 1 INTO OUTFILE '/tmp/steelyard-x'",
		"SELECT LOAD_FILE('/etc/hostname') + (SELECT 1 FROM mysql.user)", "CREATE USER x", "GRANT SELECT ON bob_shop.* TO bobxa@localhost", "CREATE EVENT bob_shop.e ON SCHEDULE EVERY 1 DAY DO SELECT 1",
		"SET GLOBAL general_log = 1", "SET SESSION sql_log_bin = 0")
	var shown []string
	rows, err := bob.Query("SHOW DATABASES")
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		var name string
		_ = rows.Scan(&name)
		shown = append(shown, name)
	}
	_ = rows.Close()
	if !slices.Equal(shown, []string{"bob_a_b", "bob_shop", "information_schema"}) {
		t.Errorf("bob sees %v", shown)
	}
	if err := s.login("bob", "").Ping(); err == nil {
		t.Error("bob logs in without password")
	}
}

// TestC15_ANewPasswordEndsWhatTheOldOneOpened, and only digests are kept, in no log.
func TestC15_ANewPasswordEndsWhatTheOldOneOpened(t *testing.T) {
	dir := hostingtest.Dir(t)
	if err := os.Chmod(dir, 0o777); err != nil { // the server writes its logs here
		t.Fatal(err)
	}
	general, slow := filepath.Join(dir, "general"), filepath.Join(dir, "slow")
	s := start(t, "--general-log=1", "--general-log-file="+general, "--slow-query-log=1", "--long-query-time=0", "--slow-query-log-file="+slow)
	a := hosted("bob", "bob_a")
	s.ensure(a)
	old := s.login("bob", "secret-bob")
	s.may(old, "SELECT 1")
	old.SetMaxIdleConns(1)
	conn, err := old.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	a.DatabasePassword = digestOf("changed")
	s.ensure(a)
	if _, err := conn.ExecContext(t.Context(), "SELECT 1"); err == nil {
		t.Error("a session of the old password goes on")
	}
	if s.login("bob", "secret-bob").Ping() == nil {
		t.Error("the old password logs in")
	}
	s.may(s.login("bob", "changed"), "SELECT 1")
	a.DatabasePassword = ""
	s.ensure(a)
	if s.login("bob", "changed").Ping() == nil || s.login("bob", "").Ping() == nil {
		t.Error("somebody logs in to an account without password")
	}
	for _, f := range []string{general, slow} {
		text, err := os.ReadFile(f)
		if err != nil || !strings.Contains(string(text), "SELECT 1") {
			t.Fatalf("%s is no log of the server: %v", f, err)
		}
		if strings.Contains(string(text), digestOf("secret-bob")) || strings.Contains(string(text), digestOf("changed")) {
			t.Errorf("%s holds a digest", f)
		}
	}
}

// TestP18_OverTheLimitDatabasesOnlyShrink: at once, in sessions that are open too, and until the account is below its limit.
func TestP18_OverTheLimitDatabasesOnlyShrink(t *testing.T) {
	s := start(t)
	a := hosted("bob", "bob_a", "bob_b")
	s.ensure(a)
	bob := s.login("bob", "secret-bob")
	s.may(bob, "USE bob_a", "CREATE TABLE bob_a.t (a INT)", "INSERT INTO bob_a.t VALUES (1), (2), (3)", "CREATE TABLE bob_a.u (a INT)", "CREATE PROCEDURE bob_a.p() INSERT INTO bob_a.t VALUES (4)")
	open, err := bob.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	a.DatabasesShrink = true
	s.ensure(a)
	if _, err := open.ExecContext(t.Context(), "INSERT INTO t VALUES (5)"); err == nil {
		t.Error("a session that was open goes on adding")
	}
	_ = open.Close()
	bob = s.login("bob", "secret-bob")
	s.mayNot(bob, "INSERT INTO bob_a.t VALUES (4)", "UPDATE bob_a.t SET a = 9", "CREATE TABLE bob_b.x (a INT)", "CREATE TABLE bob_a.x AS SELECT * FROM bob_a.t", "ALTER TABLE bob_a.t ADD b INT", "CALL bob_a.p()",
		"CREATE TEMPORARY TABLE bob_a.x (a INT)", "LOAD DATA LOCAL INFILE '/etc/hostname' INTO TABLE bob_a.t", "REPLACE INTO bob_a.t VALUES (1)")
	s.may(bob, "SELECT * FROM bob_a.t", "DELETE FROM bob_a.t WHERE a = 1", "TRUNCATE TABLE bob_a.t", "DROP TABLE bob_a.u")
	a.DatabasesShrink = false
	s.ensure(a)
	s.may(bob, "INSERT INTO bob_a.t VALUES (4)")
}

// TestP10_ASuspendedAccountUsesNoDatabase, and has all its data afterwards.
func TestP10_ASuspendedAccountUsesNoDatabase(t *testing.T) {
	s := start(t)
	a := hosted("bob", "bob_a")
	s.ensure(a)
	bob := s.login("bob", "secret-bob")
	s.may(bob, "CREATE TABLE bob_a.t (a INT)")
	open, err := bob.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	a.State = protocol.HostedSuspended
	s.ensure(a)
	if _, err := open.ExecContext(t.Context(), "SELECT 1"); err == nil {
		t.Error("a session that was open goes on")
	}
	if s.login("bob", "secret-bob").Ping() == nil {
		t.Error("he logs in")
	}
	a.State = protocol.HostedPresent
	s.ensure(a)
	s.may(s.login("bob", "secret-bob"), "SELECT * FROM bob_a.t")
}

// TestX5_WhatADocumentDoesNotNameIsClosedAndKept; what it names as gone is erased.
func TestX5_WhatADocumentDoesNotNameIsClosedAndKept(t *testing.T) {
	s := start(t)
	a := hosted("bob", "bob_a", "bob_b")
	s.ensure(a)
	bob := s.login("bob", "secret-bob")
	s.may(bob, "CREATE TABLE bob_a.t (a INT)")
	a.Databases = []string{"bob_b"}
	s.ensure(a)
	s.mayNot(s.login("bob", "secret-bob"), "SELECT * FROM bob_a.t")
	if len(keys(s.state(), "table bob_a.t")) != 1 {
		t.Fatal("its data is not kept")
	}
	a.Databases = []string{"bob_a", "bob_b"}
	s.ensure(a)
	s.may(s.login("bob", "secret-bob"), "SELECT * FROM bob_a.t")
	a.Databases, a.DatabasesGone = []string{"bob_b"}, []string{"bob_a"}
	s.ensure(a)
	s.ensure(a)
	if left := keys(s.state(), "bob_a"); len(left) != 0 {
		t.Errorf("%v are left", left)
	}
	a.Databases, a.DatabasesGone = nil, nil
	s.ensure(a)
	if len(keys(s.state(), "database bob_b")) != 1 {
		t.Error("a database that was not named is gone")
	}
}

// TestC14_RemovingAnAccountLeavesNothingInTheServer, with sessions open, routines, views and a table that is locked; the neighbour keeps all.
func TestC14_RemovingAnAccountLeavesNothingInTheServer(t *testing.T) {
	s := start(t)
	s.ensure(hosted("alice", "alice_a"))
	before := s.state()
	a := hosted("bob", "bob_a", "bob_b")
	s.ensure(a)
	bob := s.login("bob", "secret-bob")
	s.may(bob, "CREATE TABLE bob_a.t (a INT)", "CREATE PROCEDURE bob_a.p() SELECT 1", "CREATE VIEW bob_b.v AS SELECT * FROM bob_a.t", "LOCK TABLES bob_a.t WRITE")
	s.may(s.login("root", ""), "GRANT SELECT ON alice_a.* TO bob@localhost", "GRANT PROCESS ON *.* TO bob@localhost")
	for range 2 {
		left, err := s.part.Remove(t.Context(), a)
		if err != nil || len(left) != 0 {
			t.Fatal(left, err)
		}
		hostingtest.Same(t, before, s.state())
	}
}

// TestX15_WhatResistsIsToldAndKeepsTheName: somebody's file in the directory of a database.
func TestX15_WhatResistsIsToldAndKeepsTheName(t *testing.T) {
	s := start(t)
	a := hosted("bob", "bob_a", "bob_b")
	s.ensure(a)
	stone := filepath.Join(s.dir, "data", "bob_a", "somebody's")
	if err := os.WriteFile(stone, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s.may(s.login("root", ""), "CREATE USER bob@'%'")
	left, err := s.part.Remove(t.Context(), a)
	if err == nil || len(left) != 2 || left[1].Name != "bob_a" || left[0].Name != "user bob@%" {
		t.Fatal(left, err)
	}
	if err := s.part.Ensure(t.Context(), func() *partAccount { b := hosted("bob", "bob_a"); b.ID = "another"; return b }()); !fault.Is(err, fault.KindConflict) {
		t.Errorf("another account gets the name: %v", err)
	}
	if err := os.Remove(stone); err != nil {
		t.Fatal(err)
	}
	s.may(s.login("root", ""), "DROP USER bob@'%'")
	if left, err = s.part.Remove(t.Context(), a); err != nil || len(left) != 0 {
		t.Fatal(left, err)
	}
}

// TestWhatBelongsToNoAccountIsNotTouched: users and databases of the operator.
func TestWhatBelongsToNoAccountIsNotTouched(t *testing.T) {
	s := start(t)
	s.may(s.login("root", ""), "CREATE USER backups@localhost IDENTIFIED BY 'x'", "CREATE DATABASE shop_old", "GRANT SELECT ON *.* TO backups@localhost")
	before := s.state()
	for _, a := range []*partAccount{hosted("backups", "backups_a"), hosted("shop", "shop_a")} {
		if err := s.part.Ensure(t.Context(), a); !fault.Is(err, fault.KindConflict) {
			t.Errorf("%s: %v", a.User, err)
		}
		a.State = protocol.HostedGone
		if left, err := s.part.Remove(t.Context(), a); err != nil || len(left) != 0 {
			t.Errorf("%s: %v %v", a.User, left, err)
		}
	}
	hostingtest.Same(t, before, s.state())
}

// TestAChangeByHandIsTakenBack: more rights, another way to log in, fewer databases.
func TestAChangeByHandIsTakenBack(t *testing.T) {
	s := start(t)
	a := hosted("bob", "bob_a", "bob_b")
	s.ensure(a)
	want := s.state()
	for _, change := range []string{
		"GRANT ALL ON *.* TO bob@localhost WITH GRANT OPTION", "GRANT SELECT ON mysql.user TO bob@localhost", "GRANT ALL ON `bob\\_a`.* TO bob@localhost WITH GRANT OPTION", "ALTER USER bob@localhost IDENTIFIED VIA unix_socket",
		"ALTER USER bob@localhost IDENTIFIED BY ''", "DROP USER bob@localhost", "DROP DATABASE bob_b", "REVOKE INSERT ON `bob\\_a`.* FROM bob@localhost", "ALTER USER bob@localhost PASSWORD EXPIRE",
		"ALTER USER bob@localhost IDENTIFIED VIA mysql_native_password USING '" + a.DatabasePassword + "' OR unix_socket", "GRANT ALL ON `bob%`.* TO bob@localhost",
	} {
		s.may(s.login("root", ""), change)
		s.ensure(a)
		hostingtest.Same(t, want, s.state())
		if t.Failed() {
			t.Fatal(change)
		}
	}
}

// TestWithoutAServerOnlyWhoNeedsOneFails.
func TestWithoutAServerOnlyWhoNeedsOneFails(t *testing.T) {
	p, err := New(Options{Socket: filepath.Join(t.TempDir(), "none"), Layout: layoutIn(t)})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Ensure(t.Context(), hosted("bob")); err != nil {
		t.Error(err)
	}
	if _, err := p.Remove(t.Context(), hosted("bob")); err != nil {
		t.Error(err)
	}
	err = p.Ensure(t.Context(), hosted("bob", "bob_a"))
	if !fault.Is(err, fault.KindUnavailable) || !strings.Contains(err.Error(), "start MariaDB") {
		t.Error(err)
	}
	got := p.Provide(t.Context())
	if got.Switches["databases"] || got.Components[0].Problem == "" {
		t.Errorf("%+v", got)
	}
}

// TestAServerOpenToEverybodyIsNoPlaceForCustomers: rights of nobody in particular.
func TestAServerOpenToEverybodyIsNoPlaceForCustomers(t *testing.T) {
	s := start(t)
	s.may(s.login("root", ""), "GRANT SELECT ON `bob%`.* TO ''@localhost IDENTIFIED BY ''")
	if got := s.part.Provide(t.Context()); got.Switches["databases"] || !strings.Contains(got.Components[0].Problem, "everybody") {
		t.Errorf("%+v", got)
	}
}
