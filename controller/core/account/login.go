package account

import (
	"slices"
	"strconv"
	"strings"

	"github.com/steelyard/steelyard/protocol"
)

// Lengths of user names: MaxUser is also what MySQL before 5.7 takes.
const (
	minUser = 3
	MaxUser = 16
)

// reserved are names that systems, mail and databases have already, or that would mislead.
var reserved = strings.Fields(`root daemon bin sys sync games man lp mail news uucp proxy www backup list irc gnats nobody operator systemd messagebus
	postfix dovecot dovenull vmail mysql mariadb proftpd ftp anonymous nginx apache clamav clamilt rspamd redis sshd cron crontab tty disk kmem dialout
	fax voice cdrom floppy tape sudo audio dip src shadow utmp video sasl plugdev staff users nogroup input kvm render sgx adm admin administrator
	postmaster hostmaster webmaster abuse support steelyard steel agent host localhost server test guest user public vdr landscape sssd polkitd rtkit
	halt shutdown wheel ssl tss swtpm ssh postdrop vsftpd apache2 postgres memcache opendkim amavis debian hosting syslog stunnel4 nagios zabbix munin
	puppet ansible prometheus grafana etcd haproxy varnish squid snmp phpmyadmin roundcube mailman cyrus exim sgx information performance galera
	avahi lxd docker libvirt netdev ntp chrony bind named unbound tcpdump uuidd statd rpc htdocs private tmp sub all self none null`)

// Users are names that an account of a domain may have, the best first: the domain's first label in letters and digits, then the same
// with a number, then with what random gives. Whether one is free is not known here.
func Users(domain string, random func() string) []string {
	base := base(domain)
	var list []string
	add := func(name string) {
		if protocol.UserName(name) && !slices.Contains(reserved, name) && !slices.Contains(list, name) {
			list = append(list, name)
		}
	}
	add(base)
	for n := 1; n <= 4; n++ {
		add(cut(base, MaxUser-1) + strconv.Itoa(n))
	}
	for range 6 {
		end := random()
		add(cut(base, MaxUser-len(end)) + end)
	}
	return list
}

// base is a name made of a domain: at least one letter, which comes first.
func base(domain string) string {
	first, _, _ := strings.Cut(domain, ".")
	first = strings.TrimPrefix(first, "xn--")
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, first)
	if name == "" || name[0] >= '0' && name[0] <= '9' {
		name = "web" + name
	}
	for len(name) < minUser {
		name += "0"
	}
	return cut(name, MaxUser)
}

func cut(text string, most int) string { return text[:min(len(text), most)] }
