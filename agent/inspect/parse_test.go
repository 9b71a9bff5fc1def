package inspect

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/steelyard/steelyard/protocol"
)

// tree makes a system below a directory.
func tree(t testing.TB, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	if _, given := files["/etc/passwd"]; !given {
		files["/etc/passwd"] = "root:x:0:0:root:/root:/bin/bash\n"
	}
	for p, text := range files {
		at := filepath.Join(root, p)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if target, link := strings.CutPrefix(text, "-> "); link {
			if err := os.Symlink(target, at); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.WriteFile(at, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func inspected(t testing.TB, root string) *protocol.Inspection {
	t.Helper()
	in, err := Run(context.Background(), Options{Root: root})
	if err != nil {
		t.Fatal(err)
	}
	return in
}

func subject(in *protocol.Inspection, kind string) protocol.Subject {
	return in.Subjects[slices.IndexFunc(in.Subjects, func(s protocol.Subject) bool { return s.Kind == kind })]
}

func names(s protocol.Subject) (list []string) {
	for _, f := range s.Items {
		list = append(list, f.Name)
	}
	return list
}

func TestS9_AccountsArePeoplesAndBackDoors(t *testing.T) {
	in := inspected(t, tree(t, map[string]string{
		"/etc/login.defs": "UID_MIN 500\nGID_MIN\t500\n",
		"/etc/passwd":     "root:x:0:0::/root:/bin/sh\ntoor:x:0:0::/root:/bin/sh\nwww-data:x:33:33::/home/x:/bin/bash\nann:x:500:500::/home/ann:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n",
		"/etc/group":      "ann:x:500:\nstaff:x:50:\nshop:x:501:ann\n",
	}))
	s := subject(in, protocol.InspectAccounts)
	if got := names(s); !slices.Equal(got, []string{"ann", "group shop", "toor"}) || s.Unseen != "" {
		t.Errorf("%v, unseen %q", got, s.Unseen)
	}
}

func TestS9_WhatCannotBeUnderstoodIsNotClean(t *testing.T) {
	fifo := tree(t, map[string]string{"/etc/nginx/nginx.conf": "http { include /etc/nginx/sites-enabled/*; }\n"})
	if err := os.MkdirAll(fifo+"/etc/nginx/sites-enabled", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(fifo+"/etc/nginx/sites-enabled/trap", 0o644); err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct{ kind, root string }{
		"a torn line of passwd":   {protocol.InspectAccounts, tree(t, map[string]string{"/etc/passwd": "root:x:0:0::/root:/bin/sh\nann:x:10"})},
		"a number that is none":   {protocol.InspectAccounts, tree(t, map[string]string{"/etc/passwd": "ann:x:-1:1::/:/bin/sh\n"})},
		"half a file of nginx":    {protocol.InspectSites, tree(t, map[string]string{"/etc/nginx/nginx.conf": "http { server { server_name a.example; "})},
		"a pipe instead of one":   {protocol.InspectSites, fifo},
		"half a VirtualHost":      {protocol.InspectSites, tree(t, map[string]string{"/etc/apache2/apache2.conf": "<VirtualHost *:80>\nServerName a.example\n"})},
		"a circle of links":       {protocol.InspectSites, tree(t, map[string]string{"/etc/nginx/nginx.conf": "-> /etc/nginx/nginx.conf"})},
		"a circle of directories": {protocol.InspectSites, tree(t, map[string]string{"/etc/nginx/nginx.conf": "http { include /etc/nginx/a/*; }", "/etc/nginx/a": "-> /etc/nginx/a"})},
	} {
		if s := subject(inspected(t, c.root), c.kind); s.Unseen == "" {
			t.Errorf("%s: it says that it saw all: %+v", what, s)
		}
	}
}

func TestS9_SitesOfBothWebServers(t *testing.T) {
	in := inspected(t, tree(t, map[string]string{
		"/etc/nginx/nginx.conf": `user www-data;
http {
  map $host $x { default "a;b"; ~^(?<n>.+)\.example$ ${n}; }
  upstream back { server 127.0.0.1:80; }
  include sites-enabled/*;
}`,
		"/etc/nginx/sites-available/b": "# server { server_name no.example; }\nserver { listen 80; server_name b.example \"www.b.example\"; location / { if ($a = '}') { return 301 /x; } } }",
		"/etc/nginx/sites-enabled/b":   "-> /etc/nginx/sites-available/b",
		"/etc/nginx/sites-enabled/a":   "server { listen 81 default_server; }",
		"/etc/apache2/apache2.conf":    "ServerName main.example\nIncludeOptional sites-enabled/*.conf\n",
		"/etc/apache2/sites-enabled/c.conf": "<VirtualHost *:80>\n  ServerName c.example\n  ServerAlias www.c.example \\\n    *.c.example\n</VirtualHost>\n" +
			"<VirtualHost *:443>\n  ServerName c.example\n</VirtualHost>\n",
	}))
	s := subject(in, protocol.InspectSites)
	if got := names(s); !slices.Equal(got, []string{"*.c.example", "b.example", "c.example", "the default of 81"}) || s.Unseen != "" {
		t.Errorf("%v, unseen %q", got, s.Unseen)
	}
}

// TestS9_SitesOfHostedAccounts: the agent's nginx has one server for all of them, and a list of names by account.
func TestS9_SitesOfHostedAccounts(t *testing.T) {
	in := inspected(t, tree(t, map[string]string{
		"/etc/nginx/nginx.conf":     "http { include /etc/steelyard-hosting/nginx/[bg]*.conf; }",
		hosted + "base.conf":        `map $host $x { include ` + hosted + `hosts/*.conf; } server { listen 80; include ` + hosted + `names*.list; location / { root /srv; } }`,
		hosted + "hosts/alice.conf": `a.example "php alice htdocs";`,
		hosted + "names.list":       "server_name a.example www.a.example;\nserver_name b.example;\n",
		hosted + "generation.conf":  "server { listen 80; server_name generation.steelyard.invalid; return 200 x; }",
	}))
	s := subject(in, protocol.InspectSites)
	if got := names(s); !slices.Equal(got, []string{"a.example", "b.example"}) || s.Unseen != "" {
		t.Errorf("%v, unseen %q", got, s.Unseen)
	}
}

func TestS9_DatabasesAreListedWhereNoServerRuns(t *testing.T) {
	in := inspected(t, tree(t, map[string]string{
		"/var/lib/mysql/mysql/x": "", "/var/lib/mysql/shop@002d1/db.opt": "", "/var/lib/mysql/ibdata1": "", "/var/lib/postgresql/15/main/base/16384/1": "",
		"/var/lib/postgresql/15/main/base/5/1": "",
	}))
	s := subject(in, protocol.InspectDatabases)
	if got := names(s); !slices.Equal(got, []string{"database 16384 of 15/main", "shop-1"}) || s.Unseen != "" || !strings.Contains(s.How, "listed, because no server runs") {
		t.Errorf("%v, %q, unseen %q", got, s.How, s.Unseen)
	}
}

// TestS9_AnotherSystemIsNotLeft: links of a system that is looked at from outside lead nowhere but into it.
func TestS9_AnotherSystemIsNotLeft(t *testing.T) {
	const home = "/home/ann"
	root := tree(t, map[string]string{"/etc/group": "-> ../../../../../../../etc/group", home + "/x": "", "/etc/cron.d/x": "-> /etc/hostname-of-nobody"})
	m := newMachine(root, "")
	for _, p := range []string{"/etc/group", "/../../etc/group", "/etc/cron.d/x"} {
		at, err := m.at(p)
		if err == nil && !strings.HasPrefix(at, root+"/") {
			t.Errorf("%s is %s", p, at)
		}
	}
}

func TestX9_JobsAreNamedNotTold(t *testing.T) {
	list := parseCrontab([]byte("A=b\n\"PATH\" = /bin\n# no\n*/5 * * * * x --password hush\n@reboot PASS=hush y\n1 2 3\n"), false)
	if len(list) != 2 || strings.Contains(fmt.Sprint(list), "hush") || list[0].when != "*/5 * * * *" || list[1].when != "@reboot" {
		t.Errorf("%+v", list)
	}
	if list := parseCrontab([]byte("* * * * * ann x=y\n"), true); len(list) != 1 || list[0].user != "ann" {
		t.Errorf("%+v", list)
	}
}

func TestS9_SocketsAreReadAsTheKernelWritesThem(t *testing.T) {
	const text = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n" +
		"   0: 0929007F:1F99 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4711 1\n" +
		"   1: 0100007F:0016 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 4712 1\n"
	list, err := parseSockets("tcp", []byte(text))
	if err != nil || len(list) != 1 || list[0].address.String() != "127.0.41.9:8089" || list[0].uid != 1000 || list[0].inode != 4711 {
		t.Errorf("%+v, %v", list, err)
	}
	a, err := parseSocketAddress("00000000000000000000000001000000:0050")
	if err != nil || a.String() != "[::1]:80" {
		t.Errorf("%v, %v", a, err)
	}
}

func TestS9_WhatIsTooLongOrHiddenIsStillItself(t *testing.T) {
	a, b := thing("/home/"+strings.Repeat("x", 300)+"1", "", ""), thing("/home/"+strings.Repeat("x", 300)+"2", "", "")
	c, d := thing("/home/bob", "", ""), thing("/home/b\u200bob", "", "")
	if a.Key("home") == b.Key("home") || c.Key("home") == d.Key("home") {
		t.Error("two things have one key")
	}
}

// TestS9_ACancelledInspectionSaysNothing: half a list is none.
func TestS9_ACancelledInspectionSaysNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if in, err := Run(ctx, Options{Root: tree(t, map[string]string{})}); in != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("%v, %v", in, err)
	}
}

// large is a machine with many accounts, each with a home, mail, a job and a site.
func large(t testing.TB, n int) string {
	files := map[string]string{"/etc/nginx/nginx.conf": "http { include /etc/nginx/sites-enabled/*; }"}
	var passwd strings.Builder
	for i := range n {
		name := fmt.Sprintf("user%05d", i)
		fmt.Fprintf(&passwd, "%s:x:%d:%d::/home/%s:/bin/sh\n", name, 1000+i, 1000+i, name)
		files["/home/"+name+"/Maildir/cur/1"], files["/home/"+name+"/Maildir/new/1"] = "", ""
		files["/var/spool/cron/crontabs/"+name] = "* * * * * true\n"
		files["/etc/nginx/sites-enabled/"+name] = "server { listen 80; server_name " + name + ".example; }"
	}
	files["/etc/passwd"] = passwd.String()
	return tree(t, files)
}

// TestS9_LargeMachinesAreBounded: what is told stays within the frame, and is counted whole.
func TestS9_LargeMachinesAreBounded(t *testing.T) {
	const many = 1000
	root := large(t, many)
	before := memory()
	in := inspected(t, root)
	if grown := int64(memory()) - int64(before); grown > 64<<20 {
		t.Errorf("%d MiB are held for it", grown>>20)
	}
	for _, kind := range []string{protocol.InspectAccounts, protocol.InspectHomes, protocol.InspectSites, protocol.InspectMailboxes, protocol.InspectJobs} {
		if s := subject(in, kind); s.Count != many || len(s.Items) != protocol.MaxFound || s.Unseen != "" {
			t.Errorf("%s: %d of %d, unseen %q", kind, len(s.Items), s.Count, s.Unseen)
		}
	}
}

func memory() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func BenchmarkInspect5000(b *testing.B) {
	root := large(b, 5000)
	b.ReportAllocs()
	for b.Loop() {
		start := time.Now()
		inspected(b, root)
		b.ReportMetric(float64(time.Since(start).Milliseconds()), "ms/inspection")
	}
}

func FuzzPasswd(f *testing.F) {
	f.Add([]byte("root:x:0:0::/root:/bin/sh\nann:x"))
	f.Fuzz(func(t *testing.T, text []byte) {
		list, err := parsePasswd(text)
		lines := strings.Count(string(text), "\n") + 1
		if len(list) > lines {
			t.Errorf("%d accounts in %d lines, %v", len(list), lines, err)
		}
		_, _ = parseGroups(text)
		_, _ = parseLeast(text)
	})
}

func FuzzNginx(f *testing.F) {
	f.Add("server { server_name a \"b\"; ${x} # }\n}")
	f.Add("http { include x; server{listen 1;}}")
	f.Fuzz(func(t *testing.T, text string) {
		c := config{ctx: t.Context(), m: newMachine(t.TempDir(), ""), root: "/", parse: (*config).nginx, seen: map[string]bool{}}
		c.nginx("f", text, 0)
		if blocks := strings.Count(text, "{"); len(c.sites) > blocks {
			t.Errorf("%d sites in %d blocks", len(c.sites), blocks)
		}
		d := config{ctx: t.Context(), m: newMachine(t.TempDir(), ""), root: "/", parse: (*config).apache, seen: map[string]bool{}}
		d.apache("f", text, 0)
	})
}

func FuzzCrontab(f *testing.F) {
	f.Add([]byte("* * * * * a b\nA=b\n@daily x"), true)
	f.Fuzz(func(t *testing.T, text []byte, user bool) {
		for _, j := range parseCrontab(text, user) {
			if j.digest == "" || j.when == "" || user && j.user == "" {
				t.Errorf("%+v", j)
			}
		}
		_ = parseMailLocation(text)
		_, _ = parsePostfix(text)
		_ = parseMap(text)
	})
}

func FuzzSockets(f *testing.F) {
	f.Add([]byte("h\n 0: 0929007F:1F99 0:0 0A 0:0 0:0 0 1000 0 4711"))
	f.Fuzz(func(_ *testing.T, text []byte) {
		_, _ = parseSockets("tcp", text)
		_, _ = parseSockets("udp", text)
	})
}
