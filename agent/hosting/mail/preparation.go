package mail

import (
	"fmt"
	"strings"
)

// ownAddress lets a login send as itself only: Postfix asks it whose an address is.
const ownAddress = "/^(.*)$/ ${1}\n"

// Names of the sockets that Postfix connects to, below private in Postfix's queue directory.
const (
	socketDeliver = "steelyard-lmtp"
	socketLogin   = "steelyard-auth"
	socketQuota   = "steelyard-quota"
	socketScan    = "steelyard-scan" // this one is the agent's
)

// How a session's end is logged; its bytes stand last.
const (
	imapEnd = "deleted=%{deleted} expunged=%{expunged} in=%i out=%o rip=%{rip}"
	pop3End = "top=%t/%p, retr=%r/%b, del=%d/%m, size=%s in=%i out=%o rip=%{rip}"
)

// Parameter is one of Postfix's main.cf.
type Parameter struct {
	Name, Value string
	Has         []string // what its value must hold, where an operator may have more; nil: the value
	Why         string
}

// Preparation is what the operator puts into the configuration of the daemons, once. docs/nodes.md shows it for a Debian system.
type Preparation struct {
	Main    []Parameter // main.cf
	Master  []string    // master.cf: the submission service
	Dovecot string      // a file in conf.d
}

// Prepare says what these Options need.
func Prepare(o Options) Preparation {
	o = o.withDefaults()
	p := New(o)
	m := func(name string) string { return "lmdb:" + p.dir("maps", name) }
	return Preparation{Main: []Parameter{
		{"virtual_mailbox_domains", m(mapBoxes), nil, "domains with mail here"},
		{"virtual_mailbox_maps", m(mapBoxes), nil, "addresses that there are; others are refused while the sender waits"},
		{"virtual_alias_maps", m(mapAliases), []string{m(mapAliases)}, "mailing lists"},
		{"alias_maps", "hash:/etc/aliases, " + m(mapLists), []string{m(mapLists)}, "their members"},
		{"expand_owner_alias", "yes", nil, "bounces of a list go to LIST-owner@DOMAIN"},
		{"mydestination", "$myhostname, localhost", []string{"localhost"}, "where lists are expanded; no domain of a customer"},
		{"transport_maps", m(mapTransport), []string{m(mapTransport)}, "mail of suspended accounts waits"},
		{"virtual_transport", "lmtp:unix:private/" + socketDeliver, nil, "Dovecot keeps the mail"},
		{"smtpd_relay_restrictions", "permit_sasl_authenticated, reject_unauth_destination", nil, "no open relay, for programs of customers on this node neither"},
		{
			"smtpd_recipient_restrictions", "check_recipient_access " + m(mapAccess) + ", check_policy_service { unix:private/" + socketQuota + ", default_action=DUNNO }",
			[]string{m(mapAccess), socketQuota},
			"suspended accounts answer 450, full mailboxes 552",
		},
		{"smtpd_sender_login_maps", "regexp:" + p.dir("maps", "own-address"), nil, "who logged in sends as himself"},
		{"smtpd_sasl_type", "dovecot", nil, "logins are Dovecot's"},
		{"smtpd_sasl_path", "private/" + socketLogin, nil, ""},
		{"smtpd_sasl_security_options", "noanonymous", nil, ""},
		{"forward_path", "", nil, "a .forward that a customer uploads would start programs, whatever his shell is"},
		{"authorized_mailq_users", "root", nil, "who writes to whom is for no customer to see"},
		{"authorized_flush_users", "root", nil, ""},
		{"maillog_file", p.o.postfixLog(), nil, "mail is counted by it; into the system's log every customer may write what he likes"},
	}, Master: []string{
		"submission inet n - y - - smtpd",
		"  -o syslog_name=postfix/submission",
		"  -o smtpd_tls_security_level=encrypt",
		"  -o smtpd_sasl_auth_enable=yes",
		"  -o smtpd_sender_restrictions=reject_sender_login_mismatch",
		"  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject",
	}, Dovecot: p.dovecot()}
}

// Scanning is the parameter that adds the virus scan (package scan): mail for who wants it waits while the scanner is away.
func Scanning() Parameter {
	return Parameter{"smtpd_milters", "{ unix:private/" + socketScan + ", default_action=tempfail }", []string{socketScan}, "viruses are refused"}
}

// tables says how Dovecot finds its files. It reads them anew each time and keeps none open, which its driver passwd-file does.
func (p *Part) tables() string {
	return "uri = fs:posix:prefix=" + p.dir() + "/\n" +
		"key login {\n  key = logins/%{if;%s;eq;imap;imap;other}/%Ld/%Ln\n  format = json\n}\n" +
		"key box {\n  key = boxes/%Ld/%Ln\n  format = json\n}\n" +
		"passdb_objects = login\nuserdb_objects = box\n"
}

func (p *Part) dovecot() string {
	listener := func(name, mode string) string {
		return fmt.Sprintf("  unix_listener %s/private/%s {\n    mode = %s\n    user = postfix\n    group = postfix\n  }\n", p.o.Queue, name, mode)
	}
	return strings.Join([]string{
		"# one directory for each mailbox, all of one system user\n",
		"mail_location = maildir:~/Maildir\n", "first_valid_uid = 100\n",
		"auth_username_format = %Lu\n",
		"# a small file for each mailbox; one without IMAP has none for IMAP\n",
		"passdb {\n  driver = dict\n  args = " + p.dir("dovecot") + "\n}\n",
		"userdb {\n  driver = dict\n  args = " + p.dir("dovecot") + "\n",
		"  override_fields = uid=" + p.o.Owner + " gid=" + p.o.Owner + " home=" + p.o.Layout.Mail + "/%Ld/%Ln\n}\n",
		"# Postfix asks whether a password is right,\nservice auth {\n" + listener(socketLogin, "0660") + "}\n",
		"# delivers,\nservice lmtp {\n" + listener(socketDeliver, "0600") + "}\n",
		"# and asks whether a mailbox is full\nservice quota-status {\n  executable = quota-status -p postfix\n  client_limit = 1\n" + listener(socketQuota, "0660") + "}\n",
		"# what sessions are counted by\ninfo_log_path = " + p.o.dovecotLog() + "\nlog_timestamp = \"%Y-%m-%dT%H:%M:%S%z \"\n",
		"imap_logout_format = " + imapEnd + "\npop3_logout_format = " + pop3End + "\n",
		"mail_plugins = $mail_plugins quota\n",
		"protocol imap {\n  mail_plugins = $mail_plugins imap_quota\n}\n",
		"plugin {\n  quota = count:User quota\n  quota_vsizes = yes\n  quota_grace = 0\n",
		"  quota_status_success = DUNNO\n  quota_status_nouser = DUNNO\n  quota_status_overquota = \"552 5.2.2 The mailbox is full\"\n}\n",
	}, "")
}
