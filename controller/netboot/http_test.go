package netboot

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/protocol/session"
)

// desk is the HTTP side alone, over a fleet in memory.
type desk struct {
	world
	*Netboot
	*httptest.Server
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	w := newWorld(t)
	o := w.options(ramenv(t, "the kernel", "the initrd"))
	n := &Netboot{opt: o, log: o.Logger, images: ramImages{dir: o.RAM}, arp: filepath.Join(t.TempDir(), "arp"), boots: map[string]uint64{}}
	n.opt.IPXE = t.TempDir()
	must(t, os.WriteFile(filepath.Join(n.opt.IPXE, fileEFI), []byte("MZ"), 0o600))
	d := &desk{world: w, Netboot: n, Server: httptest.NewUnstartedServer(n.handler())}
	d.Server.Config = n.server(t.Context())
	d.Start()
	t.Cleanup(d.Server.Close)
	return d
}

func (d *desk) do(method, path string, headers ...string) (status int, body string) {
	d.t.Helper()
	req, err := http.NewRequestWithContext(d.t.Context(), method, d.URL+path, nil)
	must(d.t, err)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := d.Client().Do(req)
	must(d.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	must(d.t, err)
	return resp.StatusCode, string(text)
}

const asks = pathScript + "?mac=" + clientMAC + "&uuid=" + clientUUID + "&buildarch=x86_64&platform=efi&serial=SN1"

func (d *desk) tokens() (list []*access.Token) {
	for i := range store.Tokens.Items(d.store.Snapshot()) {
		list = append(list, i.Value)
	}
	return list
}

// word is the value of a word of a kernel's command line.
func word(script, key string) string {
	_, rest, _ := strings.Cut(script, " "+key+"=")
	return strings.FieldsFunc(rest+" ", func(r rune) bool { return r == ' ' || r == '\n' })[0]
}

func TestB43_AnUnknownMachineGetsTheRAMEnvironmentAndAToken(t *testing.T) {
	d := newDesk(t)
	status, first := d.do("GET", pathScript)
	if status != 200 || !strings.Contains(first, "chain --replace "+d.URL+pathScript+"?mac=${netX/mac:hexhyp}&") || len(d.tokens()) != 0 {
		t.Fatalf("the first script: %d %s", status, first)
	}
	status, text := d.do("GET", asks)
	if status != 200 || !strings.HasPrefix(text, "#!ipxe\n") || !strings.Contains(text, "serial number SN1") {
		t.Fatalf("%d %s", status, text)
	}
	token, err := session.ParseJoinToken(word(text, "steelyard.token"))
	must(t, err)
	list := d.tokens()
	if len(list) != 1 || list[0].ID != token.ID || list[0].Kind != access.TokenBoot || list[0].MAC != clientMAC || list[0].UUID != clientUUID || list[0].Server != "" {
		t.Fatalf("%+v", list)
	}
	if _, secret, _ := strings.Cut(token.Proof(), "."); list[0].Digest != access.Digest(secret) {
		t.Error("the token of the script is another one")
	}
	if got := word(text, "steelyard.controller"); got != "127.0.0.1:8443,controller.example.net:8443" || word(text, "steelyard.mac") != clientMAC || strings.Contains(text, "steelyard.mode") {
		t.Errorf("controllers %s in %s", got, text)
	}
	for _, path := range []string{fileKernel, fileInitrd} {
		url := pathRAM + strings.Split(strings.Split(text, pathRAM)[1], "/")[0] + "/" + path
		want := map[string]string{fileKernel: "the kernel", fileInitrd: "the initrd"}[path]
		if status, got := d.do("GET", url); status != 200 || got != want {
			t.Errorf("%s: %d %q", path, status, got)
		}
		if status, got := d.do("GET", url, "Range", "bytes=4-5"); status != 206 || got != want[4:6] {
			t.Errorf("a part of %s: %d %q", path, status, got)
		}
		if status, got := d.do("HEAD", url); status != 200 || got != "" {
			t.Errorf("HEAD %s: %d %q", path, status, got)
		}
	}
	if s := d.Stats(); s.Boots[RAM] != 1 || s.Tokens != 1 {
		t.Errorf("%+v", s)
	}
}

// TestB43_AServerThatIsSomebodysStartsItsDisk, and no token is made for it.
func TestB43_AServerThatIsSomebodysStartsItsDisk(t *testing.T) {
	d := newDesk(t)
	s := fleet.Server{ID: "srv-1", Name: "web1", Approval: fleet.Approved, Claim: fleet.Claim{Kind: fleet.ClaimClient, Ref: "svc-1"}}
	d.put(s, nil)
	if _, text := d.do("GET", asks); !strings.HasSuffix(text, "\nexit 1\n") || !strings.Contains(text, "server web1 (srv-1)") {
		t.Errorf("UEFI: %s", text)
	}
	if _, text := d.do("GET", strings.ReplaceAll(asks, "platform=efi", "platform=pcbios")); !strings.HasSuffix(text, "\nsanboot --no-describe --drive 0x80 || exit\n") {
		t.Errorf("BIOS: %s", text)
	}
	if len(d.tokens()) != 0 || d.Stats().Boots[Disk] != 2 {
		t.Errorf("%d tokens, %+v", len(d.tokens()), d.Stats())
	}
	d.put(s, at(operation.Rescue, "power-on", operation.Params{}))
	if _, text := d.do("GET", asks); word(text, "steelyard.mode") != ModeRescue || len(d.tokens()) != 1 || d.tokens()[0].Server != "srv-1" {
		t.Errorf("rescue: %s", text)
	}
}

// TestX1_AMachineWithPartsOfTwoServersPutsBothInQuarantine, and starts the disk that is somebody's.
func TestX1_AMachineWithPartsOfTwoServersPutsBothInQuarantine(t *testing.T) {
	d := newDesk(t)
	d.put(fleet.Server{ID: "srv-1", Name: "web1", Approval: fleet.Approved, Claim: fleet.Claim{Kind: fleet.ClaimClient, Ref: "svc-1"}}, nil)
	_, err := d.store.Change(t.Context(), func(tx *store.Tx) error {
		return cmp.Or(store.Identities.Put(tx, "uuid:"+clientUUID, store.Holders{Servers: []string{"srv-2"}}),
			store.Servers.Put(tx, "srv-2", fleet.Server{ID: "srv-2", Name: "web2", Approval: fleet.Approved}))
	})
	must(t, err)
	for range 2 { // the second question changes nothing
		if _, text := d.do("GET", asks); !strings.HasSuffix(text, "\nexit 1\n") || !strings.Contains(text, "parts of 2 servers") {
			t.Errorf("it starts: %s", text)
		}
	}
	for _, id := range []string{"srv-1", "srv-2"} {
		s, _ := store.Servers.View(d.store, id)
		if s.Quarantine == nil || !strings.Contains(s.Quarantine.Reason, clientMAC) || !strings.Contains(s.Quarantine.Reason, clientUUID) {
			t.Errorf("server %s: %+v", id, s.Quarantine)
		}
	}
	if n := store.Tasks.Len(d.store.Snapshot()); n != 2 || len(d.tokens()) != 0 {
		t.Errorf("%d tasks, %d tokens", n, len(d.tokens()))
	}
}

// TestX5_NobodyIsAnsweredInTheNameOfAnother: the kernel knows from which card packets come.
func TestX5_NobodyIsAnsweredInTheNameOfAnother(t *testing.T) {
	d := newDesk(t)
	table := "IP address       HW type     Flags       HW address            Mask     Device\n127.0.0.1        0x1         0x2         %s     *        prov0\n"
	must(t, os.WriteFile(d.arp, fmt.Appendf(nil, table, "52:54:00:aa:00:66"), 0o600))
	if status, text := d.do("GET", asks); status != 403 || len(d.tokens()) != 0 || d.Stats().Boots[refused] != 1 {
		t.Errorf("%d %s", status, text)
	}
	must(t, os.WriteFile(d.arp, fmt.Appendf(nil, table, strings.ToUpper(clientMAC)), 0o600))
	if status, text := d.do("GET", asks); status != 200 || len(d.tokens()) != 1 {
		t.Errorf("%d %s", status, text)
	}
	for row, want := range map[string]string{
		"10.0.0.1 0x1 0x2 AA:bb:cc:00:00:01 * eth1": "aa:bb:cc:00:00:01", "10.0.0.1 0x1 0x0 00:00:00:00:00:00 * eth1": "", "10.0.0.2 0x1 0x2 aa:bb:cc:00:00:01 * eth1": "", "10.0.0.1": "", "": "",
	} {
		if got := neighbour(row, netip.MustParseAddr("10.0.0.1")); got != want {
			t.Errorf("%q: %q", row, got)
		}
	}
}

func TestOnlyAFewQuestionsAreAnswered(t *testing.T) {
	d := newDesk(t)
	for _, row := range []struct {
		method, path string
		status       int
	}{
		{"POST", asks, 405},
		{"PUT", pathEFI, 405},
		{"DELETE", pathScript, 405},
		{"HEAD", asks, 405},
		{"GET", "/", 404},
		{"GET", "/netboot/", 404},
		{"GET", "/netboot/../../etc/passwd", 404},
		{"GET", pathRAM + "0000/vmlinuz", 404},
		{"GET", pathRAM + "x/..%2f..%2fetc%2fpasswd", 404},
		{"GET", "/metrics", 404},
		{"GET", pathEFI, 200},
		{"HEAD", pathEFI, 200},
		{"GET", pathScript + "?mac=x", 403},
		{"GET", pathScript + "?mac=01:00:00:00:00:01", 403},
		{"GET", pathScript + "?mac=" + strings.Repeat("a", 4096), 400},
	} {
		if status, _ := d.do(row.method, row.path); status != row.status {
			t.Errorf("%s %.60s: %d, want %d", row.method, row.path, status, row.status)
		}
	}
	if len(d.tokens()) != 0 {
		t.Errorf("%d tokens were made", len(d.tokens()))
	}
	busy := 0
	for range 2 * scriptsAtOnce {
		if status, _ := d.do("GET", pathScript); status == 429 {
			busy++
		}
	}
	if busy == 0 {
		t.Error("one address may ask as often as it likes")
	}
}

// TestB43_TheRAMEnvironmentIsWhatItsManifestSays, when the controller starts and when it is replaced.
func TestB43_TheRAMEnvironmentIsWhatItsManifestSays(t *testing.T) {
	dir := ramenv(t, "kernel 1", "initrd 1")
	r := &ramImages{dir: dir}
	now := time.Now()
	next := func() (*ramImage, error) { now = now.Add(2 * lookEvery); return r.newest(now) }
	one, err := next()
	must(t, err)
	writePair(t, dir, "kernel 2", "initrd 2")
	must(t, os.Chtimes(filepath.Join(dir, fileManifest), now, now))
	two, err := next()
	if err != nil || two.Digest == one.Digest {
		t.Fatalf("a new pair: %v, %v", two, err)
	}
	buf := make([]byte, 8)
	if _, err := one.files[fileKernel].ReadAt(buf, 0); err != nil || string(buf) != "kernel 1" {
		t.Errorf("a machine that is loading the former kernel gets %q, %v", buf, err)
	}
	writePair(t, dir, "kernel 3", "initrd 3")
	replace(t, filepath.Join(dir, fileInitrd), "cut short")
	must(t, os.Chtimes(filepath.Join(dir, fileManifest), now.Add(time.Minute), now.Add(time.Minute)))
	if still, err := next(); still != two || err == nil || !strings.Contains(err.Error(), "initrd") {
		t.Errorf("a damaged pair: %v, %v", still, err)
	}
	if none, err := (&ramImages{dir: t.TempDir()}).newest(now); none != nil || err == nil || !strings.Contains(err.Error(), "make ramenv") {
		t.Errorf("no pair: %v, %v", none, err)
	}
	d := newDesk(t)
	d.images.dir = t.TempDir()
	if status, text := d.do("GET", asks); status != 200 || !strings.Contains(text, "make ramenv") || !strings.Contains(text, "sleep") || len(d.tokens()) != 0 {
		t.Errorf("without a RAM environment: %d %s", status, text)
	}
	if status, text := d.do("GET", strings.ReplaceAll(asks, "x86_64", "arm64")); status != 200 || !strings.Contains(text, "arm64") {
		t.Errorf("another processor: %d %s", status, text)
	}
}

func TestX11_NoMachineIsAnsweredFromAnOldState(t *testing.T) {
	d := newDesk(t)
	d.opt.Store = store.New(nil, d.log) // never followed anything
	if status, text := d.do("GET", asks); status != 200 || !strings.Contains(text, "lost its database") || len(d.tokens()) != 0 {
		t.Errorf("%d %s", status, text)
	}
}
