package cli

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"encoding/base32"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/api"
	"github.com/steelyard/steelyard/controller/authority"
	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/erase"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/hosting"
	"github.com/steelyard/steelyard/controller/core/image"
	"github.com/steelyard/steelyard/controller/core/match"
	"github.com/steelyard/steelyard/controller/core/notify"
	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/core/task"
	images "github.com/steelyard/steelyard/controller/image"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/seal"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/controller/store/kv/memkv"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/pkg/id"
	"github.com/steelyard/steelyard/pkg/pause"
	"github.com/steelyard/steelyard/protocol"
)

// real is the API of the controller over a store in memory. It remembers which
// routes were asked for.
type real struct {
	t      *testing.T
	url    string
	token  string
	config string
	store  *store.Store
	in     *intake.Intake
	routes map[string]*regexp.Regexp // "GET /v1/servers/{id}"
	mu     sync.Mutex
	asked  map[string]bool
}

type imageStore struct{ *images.Store }

func (s imageStore) Import(ctx context.Context, r io.Reader, m api.ImageMeta) (image.Image, error) {
	return s.Store.Import(ctx, r, images.Meta{Name: m.Name, OSFamily: m.OSFamily, Format: m.Format, Actor: m.Actor})
}

type stock struct{ *match.Catalogue }

func (s stock) BestOf(modules []match.Module) (match.Offer, bool) {
	return s.Catalogue.BestOf(modules)
}

func newReal(t *testing.T) *real {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	kept, err := images.Open(filepath.Join(t.TempDir(), "images"), func(b []byte) []byte { return ed25519.Sign(key, b) })
	if err != nil {
		t.Fatal(err)
	}
	backend := memkv.New(memkv.Options{})
	r := &real{t: t, token: access.TokenPrefix + id.Secret(), config: t.TempDir(), store: store.New(backend, log), asked: map[string]bool{}}
	r.in = intake.New(r.store, log, time.Now)
	auth, err := authority.Open(filepath.Join(t.TempDir(), "authority"))
	if err != nil {
		t.Fatal(err)
	}
	ring, err := seal.Open(r.store, auth)
	if err != nil {
		t.Fatal(err)
	}
	r.in.SetRing(ring)
	catalogue := match.NewCatalogue()
	catalogue.Put(match.Server{ID: "srv-free", Configuration: hardware.Configuration{Arch: "x86_64", Sockets: 1, Cores: 8}})
	door := api.New(api.Options{
		Store: r.store, Intake: r.in, Logger: log, Now: time.Now, Version: "test", Images: imageStore{kept}, Catalogue: stock{catalogue},
		Refresh: func(context.Context) error { return nil }, Usage: used{}, Quarters: used{}.quarters,
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{}, 2)
	go func() { _ = r.store.Run(ctx); done <- struct{}{} }()
	go func() { _ = door.Run(ctx); done <- struct{}{} }()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.remember(req)
		door.ServeHTTP(w, req)
	}))
	r.url = server.URL
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
		cancel()
		<-done
		<-done
		backend.Close()
	})
	r.change(func(tx *store.Tx) error {
		tok := access.Token{ID: id.New("tok"), Kind: access.TokenAPI, Name: "root", Digest: access.Digest(r.token), Role: access.RoleAdmin, CreatedAt: time.Now()}
		return store.Tokens.Create(tx, tok.ID, tok)
	})
	r.readRoutes(door)
	return r
}

// readRoutes takes the routes from the API's own document.
func (r *real) readRoutes(door http.Handler) {
	r.t.Helper()
	w := httptest.NewRecorder()
	door.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/v1/openapi.json", nil))
	var doc struct {
		Paths map[string]map[string]json.RawMessage
	}
	if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil || len(doc.Paths) < 20 {
		r.t.Fatalf("the document of the API: %v, %d paths", err, len(doc.Paths))
	}
	r.routes = map[string]*regexp.Regexp{}
	for path, methods := range doc.Paths {
		for method := range methods {
			pattern := regexp.MustCompile(`\\\{[a-z]+\\\}`).ReplaceAllString(regexp.QuoteMeta(path), `[^/]+`)
			r.routes[strings.ToUpper(method)+" "+path] = regexp.MustCompile("^" + strings.ToUpper(method) + " " + pattern + "$")
		}
	}
}

func (r *real) remember(req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for route, pattern := range r.routes {
		if pattern.MatchString(req.Method + " " + req.URL.Path) {
			r.asked[route] = true
		}
	}
}

func (r *real) change(f func(tx *store.Tx) error) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if _, err := r.store.Change(ctx, f); err != nil {
		r.t.Fatal(err)
	}
}

// do runs a command that must succeed; words with spaces are given as extra
// arguments.
func (r *real) do(stdin, command string, extra ...string) result {
	r.t.Helper()
	env := map[string]string{"STEELYARD_URL": r.url, "STEELYARD_TOKEN": r.token, "config": r.config}
	res := runWith(r.t, env, stdin, Hooks{}, append(strings.Fields(command), extra...)...)
	if res.status != done {
		r.t.Errorf("steelyard %s: status %d: %s", command, res.status, res.err)
	}
	return res
}

// made is the id of what a command created.
func (r *real) made(stdin, command string, extra ...string) string {
	r.t.Helper()
	res := r.do(stdin, command+" -o json", extra...)
	var v struct{ ID string }
	if err := json.Unmarshal([]byte(res.out), &v); err != nil || v.ID == "" {
		r.t.Fatalf("steelyard %s: no id in %q: %v", command, res.out, err)
	}
	return v.ID
}

func (r *real) records() (op, work string) {
	now := time.Now()
	server := id.New("srv")
	r.change(func(tx *store.Tx) error {
		for name, approval := range map[string]string{"old1": fleet.Approved, "board1": fleet.Approved, "fresh1": fleet.Pending} {
			s := fleet.Server{ID: id.New("srv"), Name: name, Environment: "simulated", Approval: approval, Claim: fleet.Claim{Kind: fleet.ClaimNone}, Cleanliness: fleet.Dirty, CreatedAt: now}
			if name == "board1" {
				s.PendingIdentity = &fleet.PendingIdentity{ID: "0123456789ab", Identity: hardware.Identity{BoardSerial: "B2"}, Changes: []string{"board serial B1 is now B2"}, Seen: now}
			}
			if err := store.Servers.Create(tx, s.ID, s); err != nil {
				return err
			}
		}
		return nil
	})
	op, work = id.New("opn"), id.New("tsk")
	r.change(func(tx *store.Tx) error {
		s := fleet.Server{ID: server, Name: "web1", Environment: "simulated", Approval: fleet.Pending, Claim: fleet.Claim{Kind: fleet.ClaimNone}, Cleanliness: fleet.Dirty, CreatedAt: now}
		if err := store.Servers.Create(tx, server, s); err != nil {
			return err
		}
		o := operation.Operation{ID: op, Kind: operation.Diagnose, Server: id.New("srv"), State: operation.Held, Steps: []operation.Step{{Name: "diagnose", State: operation.StepFailed}}, CreatedAt: now}
		if err := store.Operations.Create(tx, op, o); err != nil {
			return err
		}
		return store.Tasks.Create(tx, work, task.Task{ID: work, Department: "hands", Kind: task.Failure, Subject: "look", State: task.Open, CreatedAt: now})
	})
	return op, work
}

// clean makes a server one that diagnostics and erasing have gone through.
func (r *real) clean(name string) {
	r.t.Helper()
	r.change(func(tx *store.Tx) error {
		for i := range store.Servers.Items(tx.Hint()) {
			if s := *i.Value; s.Name == name {
				s.Cleanliness, s.CleanSince, s.InService = fleet.Clean, time.Now(), true
				return store.Servers.Put(tx, s.ID, s)
			}
		}
		return fault.NotFound("server %s does not exist", name)
	})
}

// hosting goes through roles, pools and placements.
func (r *real) hosting() {
	r.t.Helper()
	for _, command := range []string{
		"server-group create --name front --types web,mail", "server-group edit front --types web", "server-group show front",
		"server set-roles web1 --role web=front", "server allocated",
		"server-pool create --name webs --service web --members web1", "server-pool edit webs --automatic", "server-pool show webs",
	} {
		r.do("", command)
	}
	r.clean("web1")
	placement := r.made("", "placement create --kind account --name www.example.org")
	r.refusedByRule("server move-content web1 --to web1 --reason full")
	for _, command := range []string{
		"placement show " + placement, "placement list --server web1", "placement set-state " + placement + " --state there", "placement delete --yes " + placement,
		"server set-roles web1 --none", "server-pool delete --yes webs", "server-group delete --yes front",
	} {
		r.do("", command)
	}
}

// Every route of the API is served by a command, and the commands say what the API
// understands.
func TestEveryRouteHasACommand(t *testing.T) {
	r := newReal(t)
	op, work := r.records()
	r.do("", "location create --name Frankfurt --external-id fra-1 --sort-order 3")
	r.do("", "location edit frankfurt --sort-order 4")
	r.do("", "pool create --name fra-v4 --location Frankfurt --prefix 192.0.2.0/24 --gateway 192.0.2.1 --reserved 192.0.2.2-192.0.2.9 --dns 192.0.2.2")
	r.do("", "pool edit fra-v4 --sort-order 2")
	r.do("", "pool show fra-v4")
	r.do("", "module create --name m1 --location Frankfurt --department hands --diagtimeout 10 --installtimeout-linux 20 --installtimeout-windows 30 --weights dimm_add=6")
	r.do("", "module edit m1 --diagtimeout 11")
	file := write(t, "debian-12.raw", strings.Repeat("raw image ", 1000))
	r.do("", "image import --name debian "+file)
	r.do("", "tariff create --name small --modules m1 --images debian --cores 8 --memory 64GiB --disk 2x480GB:ssd")
	r.do("", "tariff edit small --server-type s1")
	order := r.made("", "order place --tariff small --image debian --customer me --hostname web1.example.net")
	r.do("", "order show "+order)
	r.do("", "order cancel "+order+" --reason tired")
	if res := runWith(t, map[string]string{"STEELYARD_URL": r.url, "STEELYARD_TOKEN": r.token}, "", Hooks{}, "order", "watch", order); res.status != failed || !strings.Contains(res.err, "canceled") {
		t.Errorf("watching a canceled order: %+v", res)
	}
	var service struct{ Service string }
	if err := json.Unmarshal([]byte(r.do("", "order show -o json "+order).out), &service); err != nil {
		t.Fatal(err)
	}
	r.do("", "service show "+service.Service)
	for _, move := range []string{"stop ", "resume ", "power --action on ", "rescue ", "rescue --end ", "delete --yes --reason gone "} {
		r.refusedByRule("service " + move + service.Service)
	}

	r.do("", "server approve web1 --reason known")
	r.hosting()
	r.do("", "server edit web1 --location frankfurt --rack r1")
	r.do("", "server move web1 --location frankfurt --rack r2 --reason", "more room")
	r.do("", "server assign-address web1 --pool fra-v4")
	r.do("", "address edit 192.0.2.10 --rdns web1.example.net")
	r.do("", "address show 192.0.2.10/32")
	r.do("", "address release 192.0.2.10 --yes")
	r.do("", "server edit web1", "--location", "")
	r.do("", "server identity reject board1 --yes --identity 0123456789ab --reason unknown")
	r.do("", "server identity confirm board1 --yes --identity 0123456789ab --reason replaced")
	r.refusedByRule("server retire old1 --yes --reason sold")
	r.do("", "server retire old1 --yes --reason sold --dirty")
	r.do("", "server adopt fresh1 --as board1 --yes --reason replaced")
	for _, command := range []string{"commission web1 --yes", "decommission web1", "maintenance web1 --reason fan --until " + time.Now().Add(time.Hour).Format(time.RFC3339), "end-maintenance web1", "show web1", "why web1", "diagnoses web1", "end-override web1"} {
		r.do("", "server "+command)
	}
	r.hands()
	r.refusedByRule("server override web1 --reason risk")
	r.refusedByRule("server end-quarantine web1 --reason seen")
	r.refusedByRule("server diagnose web1")
	r.refusedByRule("server console web1 --reason look")
	r.refusedByRule("server reject web1 --yes --reason unknown")
	r.erasures()
	r.sales()
	r.plans()
	r.accounts()
	r.inspections()
	r.do("", "operation show "+op)
	r.refusedByRule("operation retry " + op)
	r.refusedByRule("operation skip --yes --reason old " + op)
	r.refusedByRule("operation cancel " + op)
	r.do("", "task comment "+work+" --text hello")
	r.do("correct horse battery staple", "user create --name ann --role department --department hands")
	r.do("", "task assign "+work+" --assignee ann")
	r.do("", "task edit "+work+" --due-at 2d")
	r.do("", "department show hands")
	asked := r.made("", "task create --department hands --server web1 --due-at 4h", "--subject", "count the spare disks")
	r.do("", "task close "+asked+" --reason", "there are nine")
	r.do("", "task show "+work)
	r.do("", "task close "+work+" --reason done")

	token := r.made("", "token create --api --name billing --role operations --expires 720h")
	r.do("", "token show billing")
	r.do("", "token revoke --yes "+token)
	r.do("", "token create --join --name rack7 --location Frankfurt --max-uses 3 --auto-approve")
	r.do("correct horse battery staple", "user create --name bob --role systems")
	r.do("another long password 77", "user password bob")
	r.do("", "user edit bob --email bob@example.net")
	r.passwords()
	r.secondFactor()
	r.sessions()
	r.do("client secret", "provider set --issuer https://login.example.net --client-id steelyard --groups-claim groups --group infra=systems --group dc=department:hands")
	if out := r.do("", "provider show").out; strings.Contains(out, "client secret\n") || !strings.Contains(out, "infra") {
		r.t.Errorf("provider show: %s", out)
	}
	r.do("", "user show bob")
	r.do("correct horse battery staple", "login --name ann")
	r.do("", "logout")
	r.do("", "user disable bob")
	r.do("", "user enable bob")
	r.do("", "customer create --name Acme --email office@example.org --reference A-17")
	r.do("", "customer edit acme --company", "Acme Ltd")
	r.do("", "customer show acme")
	r.do("", "customer disable acme --reason left")
	r.do("", "customer enable acme")
	r.do("", "image show debian")
	r.do("", "match --cores 8 --arch x86_64")
	r.do("", "catalogue refresh")
	r.do("", "catalogue")
	r.do("", "whoami")
	r.do("", "about")
	r.refusedByRule("token own --name orders --permissions order.read")
	r.remoteModule()
	r.do("", "settings --require-confirmed-email=false")
	r.notifications()
	r.offers()
	r.do("", "image retire debian --yes")
	r.do("", "tariff delete small --yes")
	r.do("", "module delete m1 --yes")
	r.do("", "pool delete fra-v4 --yes")
	r.events()
	r.do("", "location show frankfurt")
	r.lists()
	r.refusedByRule("location delete frankfurt --yes")
	r.everyRoute()
}

// accounts makes an account on a node, changes what is in it, and removes it.
func (r *real) accounts() {
	r.t.Helper()
	node := id.New("srv")
	r.change(func(tx *store.Tx) error {
		s := fleet.Server{ID: node, Name: "node1", Environment: "simulated", Approval: fleet.Approved, Claim: fleet.Claim{Kind: fleet.ClaimNone}, Node: &fleet.Node{}, InService: true, Cleanliness: fleet.Clean, CleanSince: time.Now(), Roles: []fleet.LogicalServer{{Type: "web"}}}
		var p hosting.Provision
		p.Switches = map[string]bool{"web": true, "ftp": true, "mail": true, "mailing_lists": true, "databases": true}
		return cmp.Or(store.Servers.Create(tx, node, s), store.Provisions.Put(tx, node, p),
			store.ServerPools.Put(tx, "spl-1", reselling.Pool{ID: "spl-1", Name: "nodes", Service: "web", Policy: reselling.FirstFit, Members: []string{node}, Oversell: true}))
	})
	r.do("", "offer create --name Hosting --kind service --values disk_mib=100,traffic_mib=none,mailboxes=3,mailing_lists=1,ftp_logins=1,subdomains=1,databases=1")
	r.do("", "server provision node1")
	res := r.do("", "account create --domain http://www.Example.de/ --offer Hosting --server node1")
	if user, password, ok := strings.Cut(strings.TrimSpace(res.out), " "); !ok || user != "example" || len(password) < 16 {
		r.t.Errorf("account create: %q", res.out)
	}
	r.do("another long password 78", "account password example.de")
	for _, command := range []string{
		"list --server node1", "show example.de", "removal example.de", "retry example.de", "add-subdomain example.de --name shop", "drop-subdomain example.de --name shop",
		"add-ftp-login example.de --name ann --dir htdocs", "set-ftp-login example.de --name ann", "drop-ftp-login example.de --name ann",
		"add-mailbox example.de --address info --quota-mib 10", "set-mailbox example.de --address info", "drop-mailbox example.de --address info --yes",
		"set-list example.de --address all --members a@example.org", "drop-list example.de --address all",
		"add-database example.de --name shop", "database-password example.de --fresh", "drop-database example.de --name shop --yes",
	} {
		r.do("", "account "+command)
	}
	r.usage()
	r.do("", "forward create --domain other.de --account example.de")
	r.do("", "forward show other.de")
	r.do("", "forward set-redirect other.de --redirect")
	r.do("", "forward remove other.de --yes")
	r.do("", "account remove example.de --confirm example.de")
}

// sales shows the sale of a server, and takes the server back.
func (r *real) plans() {
	r.t.Helper()
	r.do("", "reseller create --name nord --company Nord --email it@nord.example.net --limits servers=5,disk_mib=none")
	r.do("", "reseller show nord")
	r.do("", "reseller edit nord --oversell")
	for _, change := range []string{"disable nord --reason unpaid", "suspend nord --yes --reason unpaid", "activate nord"} {
		r.do("", "reseller "+change)
	}
	r.do("", "reseller-plan create --name silver --allocated-server")
	r.do("", "reseller-plan edit silver --name gold")
	r.do("", "reseller-plan show gold")
	r.do("", "reseller-plan edit gold --limits mailboxes=500 --oversell")
	r.do("", "reseller-plan preview gold --limits mailboxes=400")
	if out := r.do("", "reseller standing nord").out; !strings.Contains(out, "disk_mib") {
		r.t.Errorf("%s", out)
	}
	unset := runWith(r.t, map[string]string{"STEELYARD_URL": r.url, "STEELYARD_TOKEN": r.token}, "", Hooks{}, "reseller", "unset", "nord", "--limits", "mailboxes")
	if unset.status != failed || !strings.Contains(unset.err, "has no plan") {
		r.t.Errorf("unset: %+v", unset)
	}
	for _, use := range []string{"assign", "unassign"} {
		env := map[string]string{"STEELYARD_URL": r.url, "STEELYARD_TOKEN": r.token}
		if res := runWith(r.t, env, "", Hooks{}, "reseller-plan", use, "gold", "web1"); res.status != failed || !strings.Contains(res.out, "refused") {
			r.t.Errorf("%s: %+v", use, res)
		}
	}
	first := r.made("", "signup create --plan gold --reseller nord")
	r.do("", "signup show "+first)
	r.do("", "signup hold "+first+" --reason check")
	r.do("", "signup resume "+first)
	r.do("", "signup refuse "+first+" --reason unknown")
	r.do("", "signup cancel "+r.made("", "signup create --plan gold --reseller nord"))
	r.do("", "reseller-plan delete gold --yes")
}

func (r *real) offers() {
	r.t.Helper()
	limits := "disk_mib=100,traffic_mib=none,mailboxes=5,mailing_lists=0,ftp_logins=0,subdomains=0,databases=1"
	r.do("", "offer create --name Gold --values "+limits+",php=on,shell=/bin/bash --changeable php")
	r.do("", "offer create --name Silver --values "+limits)
	r.do("", "offer create --name Mail10 --kind addon --values mailboxes=10")
	r.do("", "offer show gold")
	r.do("", "subscription create --name shop.example.org --plan Gold")
	r.do("", "subscription show shop.example.org")
	if out := r.do("", "offer preview Gold --values mailboxes=7").out; !strings.Contains(out, "shop.example.org") {
		r.t.Errorf("the preview: %s", out)
	}
	r.do("", "offer edit Gold --values mailboxes=7")
	for _, change := range []string{
		"sync shop.example.org", "set shop.example.org --values databases=3 --pin", "set shop.example.org --values databases=4", "unlock shop.example.org",
		"choose shop.example.org --values php=off", "unset shop.example.org --properties php", "give shop.example.org --offer Mail10", "drop shop.example.org --offer Mail10", "take shop.example.org",
		"suspend shop.example.org --reason unpaid", "unsuspend shop.example.org", "switch shop.example.org --plan Silver", "edit shop.example.org --expires-at 2d",
	} {
		r.do("", "subscription "+change)
	}
	if out := r.do("", "subscription standing shop.example.org").out; !strings.Contains(out, "shop.example.org (Silver)") {
		r.t.Errorf("the standing: %s", out)
	}
	r.refusedByRule("offer delete Silver --yes")
	r.do("", "subscription detach shop.example.org --yes")
	r.do("", "subscription delete shop.example.org --yes")
	r.do("", "offer retire Silver")
	r.do("", "offer resume Silver")
	r.do("", "offer replace Gold --with Silver --yes")
	r.do("", "offer delete Mail10 --yes")
	r.do("", "account-defaults --default-mailbox --mailbox-name info")
}

func (r *real) sales() {
	r.t.Helper()
	reseller, server, sale := id.New("rsl"), id.New("srv"), id.New("sal")
	r.change(func(tx *store.Tx) error {
		s := fleet.Server{ID: server, Name: "sold1", Environment: "simulated", Approval: fleet.Approved, Claim: fleet.Claim{Kind: fleet.ClaimReseller, Ref: reseller, Via: fleet.ViaSale}}
		return cmp.Or(store.Resellers.Create(tx, reseller, reselling.Reseller{ID: reseller, Name: "acme", Path: reseller, State: reselling.Active}), store.Servers.Create(tx, server, s),
			store.Sales.Create(tx, sale, reselling.Sale{ID: sale, Reseller: reseller, Server: server, State: reselling.Sold}), store.SalesOf.Put(tx, server, store.SaleOf{Sale: sale}))
	})
	r.do("", "sale make "+reseller+" sold1") // his already
	r.do("", "sale show sold1")
	r.do("", "sale revoke sold1 --reason unpaid")
	r.do("", "sale cancel sold1")
	r.refusedByRule("sale continue sold1 --reason clean")
	if res := r.do("", "sale list --state sold"); !strings.Contains(res.out, "sold1") || !strings.Contains(res.out, "acme") {
		r.t.Errorf("sale list: %s", res.out)
	}
}

// erasures keeps a certificate of a disk of web1 and looks at it in every way.
func (r *real) erasures() {
	r.t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		r.t.Fatal(err)
	}
	var server struct{ ID string }
	if err := json.Unmarshal([]byte(r.do("", "server show -o json web1").out), &server); err != nil {
		r.t.Fatal(err)
	}
	e, err := erase.Certify(id.New("ers"), erase.Case{Operation: "opn-1", Server: erase.Machine{ID: server.ID, Name: "web1"}, Now: time.Now()},
		protocol.Erasure{Disk: protocol.DiskRef{Name: "sda", Serial: "F1", SizeBytes: 480e9}, Method: "overwrite zero", Proven: true}, func(b []byte) []byte { return ed25519.Sign(key, b) })
	if err != nil {
		r.t.Fatal(err)
	}
	r.change(func(tx *store.Tx) error { return store.Erasures.Create(tx, e.ID, e) })
	for command, says := range map[string]string{
		"erasure list --server web1 --proven": "web1", "server erasures web1": "overwrite zero", "erasure show " + e.ID: "overwrite zero", "erasure certificate " + e.ID: "Certificate of erasure",
	} {
		if res := r.do("", command); !strings.Contains(res.out, says) || strings.Contains(res.out, "signing_key") {
			r.t.Errorf("steelyard %s: %s", command, res.out)
		}
	}
	file := filepath.Join(r.t.TempDir(), "disk.html")
	r.do("", "erasure certificate "+e.ID+" --file "+file)
	if text, err := os.ReadFile(file); err != nil || !strings.HasPrefix(string(text), "<!DOCTYPE html>") {
		r.t.Errorf("%v %.40s", err, text)
	}
}

// hands sets up a management controller, a switch and the ports of web1, and takes them away again.
func (r *real) hands() {
	r.t.Helper()
	r.do("first password", "server bmc set web1 --driver redfish --address https://10.0.0.7 --username steelyard")
	r.do("", "server bmc set web1 --system 1")
	r.do("second password", "server bmc password web1")
	if res := r.do("", "server bmc show web1"); !strings.Contains(res.out, "https://10.0.0.7") || strings.Contains(res.out, "second") {
		r.t.Errorf("server bmc show: %s", res.out)
	}
	pin := strings.Repeat("ab", 32)
	server := strings.Split(r.do("", "bmc list -o json").out, `"server":"`)[1][:20]
	if err := r.in.SawCertificate(r.t.Context(), server, "https://10.0.0.7", pin); err != nil {
		r.t.Fatal(err)
	}
	r.do("", "server bmc approve-pin web1 --sha256 "+pin)
	r.do("community-secret", "switch create --name sw1 --location frankfurt --driver snmp --address 10.0.0.2 --version 2c --quarantine-vlan 99")
	r.do("auth-secret\npriv-secret\n", "switch edit sw1 --version 3 --username ops --auth SHA-256 --priv AES --auth-password-file - --priv-password-file -")
	r.do("", "switch edit sw1 --quarantine-vlan 98")
	r.do("", "server ports set web1 --port sw1,name=Gi1/0/7,vlan=12 --port sw1,mac=02:00:5e:10:00:01,vlan=12")
	if res := r.do("", "server ports show web1"); !strings.Contains(res.out, "Gi1/0/7") || !strings.Contains(res.out, "sw1") {
		r.t.Errorf("server ports show: %s", res.out)
	}
	r.refusedByRule("switch delete sw1 --yes")
	if res := r.do("", "switch show sw1"); strings.Contains(res.out, "secret") {
		r.t.Errorf("switch show: %s", res.out)
	}
	r.do("", "secret rotate")
	r.do("", "secret list")
	r.do("", "server ports delete web1 --yes")
	r.do("", "server bmc delete web1 --yes")
	r.do("", "switch delete sw1 --yes")
}

// passwords forgets one, and sets it with the link of a letter.
func (r *real) passwords() {
	r.t.Helper()
	r.do("", "password forgot --name bob")
	now, secret := time.Now(), "syr_"+id.Secret()
	bob := strings.Split(r.do("", "user show bob -o json").out, `"id":"`)[1][:20]
	r.change(func(tx *store.Tx) error {
		t := access.Token{ID: id.New("tok"), Kind: access.TokenReset, Digest: access.Digest(secret), User: bob, CreatedAt: now, ExpiresAt: now.Add(time.Hour)}
		return store.Tokens.Put(tx, t.ID, t)
	})
	r.do(secret+"\nanother long password 77\n", "password reset")
}

// self runs a command as who is logged in.
func (r *real) self(stdin, command string) result {
	r.t.Helper()
	res := runWith(r.t, map[string]string{"STEELYARD_URL": r.url, "config": r.config}, stdin, Hooks{}, strings.Fields(command)...)
	if res.status != done {
		r.t.Errorf("steelyard %s: status %d: %s", command, res.status, res.err)
	}
	return res
}

// sessions looks at the logins of bob and ends them.
func (r *real) sessions() {
	r.t.Helper()
	const password = "another long password 77\n"
	r.self(password, "login --name bob")
	other := strings.Split(r.self("", "session list -o json").out, `"id":"`)
	r.self("", "session list")
	r.self("", "session end "+other[1][:20])
	r.self(password, "login --name bob")
	r.self("", "session end --others")
}

// secondFactor logs bob in with an authenticator.
func (r *real) secondFactor() {
	r.t.Helper()
	const password = "another long password 77\n"
	r.self(password, "login --name bob")
	shown := strings.Fields(r.self(password, "user second-factor enrol").out)
	if len(shown) != 2 {
		r.t.Fatalf("shown %q", shown)
	}
	secret, err := base32.StdEncoding.DecodeString(shown[1])
	if err != nil {
		r.t.Fatal(err)
	}
	recovery := strings.Fields(r.self(access.CodeAt(secret, time.Now())+"\n", "user second-factor confirm").out)
	r.self(password+recovery[0]+"\n", "login --name bob")
	if out := r.self("", "user second-factor show").out; !strings.Contains(out, "9") {
		r.t.Errorf("user second-factor show: %s", out)
	}
	recovery = strings.Fields(r.self(password+recovery[1]+"\n", "user second-factor recovery-codes").out)
	if len(recovery) != access.RecoveryCodes {
		r.t.Errorf("user second-factor recovery-codes: %q", recovery)
	}
	r.self(password+recovery[2]+"\n", "user second-factor disable")
	r.do("", "user second-factor disable bob --reason lost")
}

// notifications asks for what tells the world outside.
func (r *real) notifications() {
	r.t.Helper()
	r.do("", "settings --webhook-private-targets")
	if secret := r.do("", "webhook create --name billing --url http://127.0.0.1:1/in --events service.*,task.opened").out; !strings.HasPrefix(secret, "whsec_") {
		r.t.Errorf("the secret of a new webhook: %q", secret)
	}
	r.do("", "webhook edit billing --events *")
	r.do("", "webhook show billing")
	if secret := r.do("", "webhook rotate billing").out; !strings.HasPrefix(secret, "whsec_") {
		r.t.Errorf("a new secret of a webhook: %q", secret)
	}
	r.do("mail password", "mail set --host mail.example.net --port 587 --security starttls --user steelyard --from steelyard@example.net")
	if shown := r.do("", "mail show").out; !strings.Contains(shown, "password set") || strings.Contains(shown, "mail password") {
		r.t.Errorf("the mail server is shown as %q", shown)
	}
	r.do("", "mail-route create --name night --events task.opened --department hands --to ops@example.net")
	r.do("", "mail-route edit night --role systems")
	r.do("", "mail-route show night")
	r.arrives("webhook test billing")
	r.arrives("mail test ops@example.net")
	var page struct{ Items []struct{ ID string } }
	if err := json.Unmarshal([]byte(r.do("", "delivery list --state delivered -o json").out), &page); err != nil || len(page.Items) != 2 {
		r.t.Fatalf("the deliveries: %v, %v", page, err)
	}
	r.do("", "delivery show "+page.Items[0].ID)
	r.do("", "delivery redeliver "+page.Items[0].ID)
	r.do("", "mail-route delete night --yes")
	r.do("", "webhook delete billing --yes")
}

// arrives runs a test of a receiver, and plays the one who delivers.
func (r *real) arrives(command string) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 20*time.Second)
	defer cancel()
	sub := r.store.Subscribe()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			changes, _, err := sub.Next(ctx)
			if err != nil {
				return
			}
			for _, c := range changes {
				if d, ok := c.New.(*notify.Delivery); ok && d.State == notify.Pending {
					r.change(func(tx *store.Tx) error {
						return store.Deliveries.Put(tx, d.ID, d.After(notify.Outcome{OK: true}, time.Now(), 0))
					})
					return
				}
			}
		}
	}()
	if out := r.do("", command).out; !strings.Contains(out, "was taken") {
		r.t.Errorf("steelyard %s: %q", command, out)
	}
	<-ended
}

// remoteModule asks how things stand with a backend; package remote talks to real ones.
func (r *real) remoteModule() {
	r.t.Helper()
	var modules struct{ Items []struct{ ID string } }
	if err := json.Unmarshal([]byte(r.do("", "module list -o json").out), &modules); err != nil || len(modules.Items) == 0 {
		r.t.Fatalf("the modules: %v", err)
	}
	m := modules.Items[0].ID
	r.change(func(tx *store.Tx) error {
		return store.Remotes.Put(tx, m, order.Remote{Module: m, State: order.RemoteUnreachable, Message: "nobody listens", Token: access.Sealed{Key: "k", Box: []byte("sealed-box")}})
	})
	if res := r.do("", "remote show m1"); !strings.Contains(res.out, "nobody listens") || strings.Contains(res.out, "sealed-box") {
		r.t.Errorf("remote show: %s", res.out)
	}
}

// refusedByRule runs a command whose request the API understands; a rule may say
// no to it.
func (r *real) refusedByRule(command string) {
	r.t.Helper()
	env := map[string]string{"STEELYARD_URL": r.url, "STEELYARD_TOKEN": r.token, "config": r.config}
	res := runWith(r.t, env, "", Hooks{}, append(strings.Fields(command), "-o", "json")...)
	if res.status == done {
		return
	}
	var p struct {
		Status int
		Detail string
		Errors []struct{ Location string }
	}
	if err := json.Unmarshal([]byte(res.err), &p); err != nil || p.Status != http.StatusConflict || p.Detail == "" {
		r.t.Errorf("steelyard %s: %+v", command, res)
	}
}

// lists asks for each list with every filter and sorting that the API names.
func (r *real) lists() {
	r.t.Helper()
	for i := range nouns {
		n := &nouns[i]
		r.do("", n.name+" list --all")
		if n.name == "audit" {
			var page struct{ Items []struct{ ID string } }
			if err := json.Unmarshal([]byte(r.do("", "audit list --limit 1 -o json").out), &page); err != nil || len(page.Items) != 1 {
				r.t.Fatalf("the audit log: %v", err)
			}
			r.do("", "audit show "+page.Items[0].ID)
		}
		for _, filter := range n.filters {
			res := runWith(r.t, map[string]string{"STEELYARD_URL": r.url, "STEELYARD_TOKEN": r.token}, "", Hooks{}, n.name, "list", "--"+dashed(filter)+"="+id.New("x"))
			if strings.Contains(res.err, "is not known") {
				r.t.Errorf("%s cannot be filtered by %s: %s", n.plural, filter, res.err)
			}
		}
	}
}

// events listens until the first change.
func (r *real) events() {
	r.t.Helper()
	ctx, cancel := context.WithCancel(r.t.Context())
	defer cancel()
	heard := &signal{want: "locations/", found: make(chan struct{})}
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, world{
			args: []string{"events", "--tables", "locations", "--from", "1"}, in: strings.NewReader(""), out: heard, err: io.Discard, now: time.Now, pause: pause.For,
			lookup: func(name string) (string, bool) {
				v, ok := map[string]string{"STEELYARD_URL": r.url, "STEELYARD_TOKEN": r.token}[name]
				return v, ok
			},
		})
	}()
	time.Sleep(10 * time.Millisecond)
	r.do("", "location edit frankfurt --sort-order 5")
	select {
	case <-heard.found:
	case <-time.After(20 * time.Second):
		r.t.Error("no event of a location was told")
	}
	cancel()
	if status := <-ended; status != done {
		r.t.Errorf("an interrupted watch ends with status %d", status)
	}
}

// signal is a writer that tells when a text was written.
type signal struct {
	want  string
	seen  strings.Builder
	once  sync.Once
	found chan struct{}
}

func (s *signal) Write(b []byte) (int, error) {
	s.seen.Write(b)
	if strings.Contains(s.seen.String(), s.want) {
		s.once.Do(func() { close(s.found) })
	}
	return len(b), nil
}

func (r *real) everyRoute() {
	r.t.Helper()
	var missing []string
	for route := range r.routes {
		path := route[strings.IndexByte(route, ' ')+1:]
		if !r.asked[route] && strings.HasPrefix(path, "/v1/") && path != "/v1/openapi.json" && !strings.HasPrefix(path, "/v1/oidc/") { // those are for a browser; see deploy/oidc

			missing = append(missing, route)
		}
	}
	slices.Sort(missing)
	for _, route := range missing {
		r.t.Errorf("no command asks for %s", route)
	}
	if len(r.asked) < 40 {
		r.t.Errorf("only %d routes were asked for", len(r.asked))
	}
}
