package e2e

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"github.com/steelyard/steelyard/controller/core/account"
)

// accounts makes customers' accounts on a node, and what has passwords in them: shown once, typed, and given anew.
func (s *secretive) accounts() {
	node := s.simulated()[0]
	s.run("", "server", "node", node, "--reason", "shared hosting", "--yes")
	s.run("", "server-group", "create", "--name", "all", "--types", "web,mail,mysql")
	s.run("", "server", "set-roles", node, "--role", "web=all,mail=all,mysql=all")
	s.run("", "offer", "create", "--name", "Gold", "--kind", "service", "--changeable", "imap",
		"--values", "disk_mib=100,traffic_mib=none,mailboxes=9,mailing_lists=1,ftp_logins=9,subdomains=3,databases=3,imap=on,php=on")
	s.run("", "account-defaults", "--default-mailbox", "--mailbox-name", "info")
	for i := range 4 {
		domain := fmt.Sprint("shop", i, ".example")
		pair := strings.Fields(s.run("", "account", "create", "--domain", domain, "--offer", "Gold", "--server", node))
		s.made("the password of an account", pair[1])
		s.parts(domain)
		s.anew(domain)
		if i == 0 {
			s.repeated(domain)
		}
		s.run("", "account", "watch", domain)
	}
	s.run("", "account", "remove", "shop3.example", "--confirm", "shop3.example")
}

// parts adds what has a password of its own.
func (s *secretive) parts(domain string) {
	s.told("the password of a mailbox", "", "account", "add-mailbox", domain, "--address", "shop")
	s.told("the password of an FTP login", "", "account", "add-ftp-login", domain, "--name", "web")
	s.database(s.told("the password of a database user", "", "account", "add-database", domain, "--name", "cart"))
}

// database notes what the database server has in the place of a password: it follows from the password alone, and whoever has it can try passwords at home.
func (s *secretive) database(password string) {
	s.made("the digest of a database user's password", account.DatabaseDigest(password))
}

// anew gives other passwords in all ways.
func (s *secretive) anew(domain string) {
	typed := func(what string) string { return s.made(what, fresh()) + "\n" }
	s.told("the fresh password of an account", "", "account", "password", domain, "--fresh")
	s.run(typed("the password that was typed for an account"), "account", "password", domain)
	s.run("", "account", "password", domain, "--password-file", s.file(s.made("the password of an account from a file", fresh())))
	s.run(typed("the password that was typed for a mailbox"), "account", "set-mailbox", domain, "--address", "shop", "--password-file", "-")
	s.run(typed("the password that was typed for an FTP login"), "account", "set-ftp-login", domain, "--name", "web", "--password-file", "-")
	s.database(s.told("the fresh password of a database user", "", "account", "database-password", domain, "--fresh"))
	other := fresh()
	s.database(s.made("the password that was typed for a database user", other))
	s.run(other+"\n", "account", "database-password", domain)
}

// repeated makes a mailbox twice with one key: both answers show the same password, which is sealed between them. And a request that is refused is not told.
func (s *secretive) repeated(domain string) {
	t := s.client.t
	var id string
	for _, one := range list[struct{ ID, Domain string }](&s.client, "/v1/accounts") {
		if one.Domain == domain {
			id = one.ID
		}
	}
	body := `{"address":"again"}`
	first := s.ask("POST", "/v1/accounts/"+id+"/mailboxes", body, "Idempotency-Key", "again")
	second := s.ask("POST", "/v1/accounts/"+id+"/mailboxes", body, "Idempotency-Key", "again")
	secret := s.made("the password of a mailbox that was asked for twice", between(string(first.body), `"password":"`, `"`))
	if between(string(second.body), `"password":"`, `"`) != secret {
		t.Errorf("the repetition is answered %d %s", second.status, second.body)
	}
	refused, _ := json.Marshal(map[string]string{"password": s.made("a password for an account that is refused", fresh()) + "\n"})
	if got := s.ask("PUT", "/v1/accounts/"+id+"/password", string(refused)); got.status != 422 {
		t.Errorf("a password with a line break is answered %d %s", got.status, got.body)
	}
}

// cryptDigest is a password as crypt(5) has it: nobody but the node gets to see one, sealed on its way.
var cryptDigest = regexp.MustCompile(`\$6\$(rounds=[0-9]+\$)?[./0-9A-Za-z]{1,16}\$[./0-9A-Za-z]{40}`)
