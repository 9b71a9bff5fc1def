package protocol

import "strings"

// reserved are names that no hosted user gets, for one of these reasons:
//
//   - a Debian package gives it to a user or group of its own, and one that is installed later would take the customer's (base-passwd, systemd, and what
//     a hosting node may carry: web, mail, FTP and database servers, monitoring, containers);
//   - the database server gives it a meaning, or its databases could be taken for the server's: "performance" and performance_schema, "test", which
//     everybody may use on many servers;
//   - an address in the name misleads whoever writes to it (RFC 2142: postmaster, abuse, hostmaster);
//   - a directory, a machine or nothing is called so: htdocs, localhost, none.
var reserved = func() map[string]bool {
	all := map[string]bool{}
	for name := range strings.FieldsSeq(`abuse adm admin administrator agent all amavis anonymous ansible apache apache2 audio avahi backup bin bind cdrom chrony clamav clamilt cron crontab
		cyrus daemon debian dialout dip disk docker dovecot dovenull etcd exim fax floppy ftp galera games gnats grafana guest halt haproxy host hosting
		hostmaster htdocs information input irc kmem kvm landscape libvirt list localhost lp lxd mail mailman man mariadb memcache messagebus munin mysql
		nagios named netdev news nginx nobody nogroup none ntp null opendkim operator performance phpmyadmin plugdev polkitd postdrop postfix postgres
		postmaster private proftpd prometheus proxy public puppet redis render root roundcube rpc rspamd rtkit sasl self server sgx shadow shutdown snmp squid
		src ssh sshd ssl sssd staff statd steel steelyard stunnel4 sub sudo support swtpm sync sys syslog systemd tape tcpdump test tmp tss tty unbound user
		users utmp uucp uuidd varnish vdr video vmail voice vsftpd webmaster wheel www zabbix`) {
		all[name] = true
	}
	return all
}()

// ReservedUser reports whether no hosted user may have a name, although it is well formed. The controller never gives one, and a node refuses one.
func ReservedUser(name string) bool { return reserved[name] }
