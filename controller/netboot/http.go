package netboot

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/logging"
)

// handler answers the few paths that there are.
func (n *Netboot) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+pathScript, n.script)
	mux.HandleFunc("GET "+pathRAM+"{digest}/{file}", n.file)
	mux.HandleFunc("GET "+pathEFI, n.efi)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.URL.RawQuery) > 2048 || r.ContentLength != 0 {
			http.Error(w, "nothing of this is needed here", http.StatusBadRequest)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// script answers iPXE. What a machine can wait for comes as a script that says so and asks again.
func (n *Netboot) script(w http.ResponseWriter, r *http.Request) {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || r.Method != http.MethodGet { // a HEAD would make a token that nobody reads
		http.Error(w, "only GET", http.StatusMethodNotAllowed)
		return
	}
	if !n.pace.allow(from.Addr().String()) {
		n.count(refused)
		http.Error(w, "too many questions from one address; try again later", http.StatusTooManyRequests)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=us-ascii")
	w.Header().Set("Cache-Control", "no-store")
	if !r.URL.Query().Has("mac") {
		_, _ = io.WriteString(w, introduction(localOf(r).String()))
		return
	}
	m, err := machineOf(r.URL.Query())
	if err == nil {
		err = n.honest(m, from.Addr().Unmap())
	}
	if err != nil {
		n.count(refused)
		n.log.Warn("a boot was refused", logging.KeyRemote, from.Addr().String(), logging.KeyError, err)
		http.Error(w, err.Error(), http.StatusForbidden)
		return
	}
	text, kind, err := n.answer(r.Context(), m, from.Addr().Unmap().String(), localOf(r).Addr())
	if err != nil {
		kind = refused
		n.log.Warn("a machine cannot start from the network now", "mac", m.MAC, logging.KeyRemote, from.Addr().String(), logging.KeyError, err)
		text = sorry(err)
	}
	n.count(kind)
	_, _ = io.WriteString(w, text)
}

// honest refuses a machine that asks in the name of another: its neighbour's token would be worth that one's place. It cannot be told
// of one behind a router.
func (n *Netboot) honest(m Machine, from netip.Addr) error {
	table, err := readSome(n.arp, 1<<20)
	if err != nil {
		return nil //nolint:nilerr // a kernel without the table knows no neighbours
	}
	if card := neighbour(string(table), from); card != "" && card != m.MAC {
		return fault.Denied("it asks for the machine with the network card %s, and comes from the card %s", m.MAC, card)
	}
	return nil
}

// localOf is the address by which the machine reached this controller.
func localOf(r *http.Request) netip.AddrPort {
	if a, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr); ok {
		return netip.AddrPortFrom(a.AddrPort().Addr().Unmap(), a.AddrPort().Port())
	}
	return netip.AddrPort{}
}

// answer decides and words it. Errors: unavailable, refused.
func (n *Netboot) answer(ctx context.Context, m Machine, remote string, local netip.Addr) (text, kind string, err error) {
	if since := n.opt.Store.Stale(); !since.IsZero() { // it may have been taken from somebody since (rule B34)
		return "", "", fault.Unavailable("the controller has lost its database and does not know what this machine shall start")
	}
	of := m.standings(n.opt.Store.Snapshot())
	d := Decide(of)
	n.log.Info("a machine starts from the network", "mac", m.MAC, logging.KeyServer, idOf(of), "boot", d.Boot, "why", d.Why, logging.KeyRemote, remote)
	if len(of) > 1 {
		n.mixed(ctx, m, of, remote)
	}
	if d.Boot == Disk {
		return screen(m, of, d) + disk(m), Disk, nil
	}
	args, digest, err := n.kernelLine(ctx, m, d, idOf(of), remote, local)
	if err != nil {
		return "", "", err
	}
	return screen(m, of, d) + memory(digest, args), RAM, nil
}

// mixed tells of a machine that has parts of several servers. It is answered all the same.
func (n *Netboot) mixed(ctx context.Context, m Machine, of []Standing, remote string) {
	var ids []string
	for _, st := range of {
		ids = append(ids, st.Server.ID)
	}
	ctx, cancel := context.WithTimeout(ctx, patience/2)
	defer cancel()
	if err := n.opt.Intake.Mixed(ctx, ids, intake.Boot{MAC: m.MAC, UUID: m.UUID, Remote: remote}); err != nil {
		n.log.Warn("it cannot be recorded that a machine has parts of several servers", "mac", m.MAC, logging.KeyError, err)
	}
}

// idOf is the server that the machine is; "" when nobody knows, or nobody can know.
func idOf(of []Standing) string {
	if len(of) != 1 {
		return ""
	}
	return of[0].Server.ID
}

// kernelLine makes the token and the command line of the kernel.
func (n *Netboot) kernelLine(ctx context.Context, m Machine, d Decision, server, remote string, local netip.Addr) (args []string, digest string, err error) {
	if !slices.Contains([]string{"", "i386", "x86_64"}, m.Arch) {
		return nil, "", fault.Refused("there is no RAM environment for processors of kind %s", m.Arch)
	}
	image, err := n.images.newest(time.Now())
	if image == nil {
		return nil, "", err
	}
	ctx, cancel := context.WithTimeout(ctx, patience/2)
	defer cancel()
	t, secret, err := n.opt.Intake.AdmitBoot(ctx, intake.Boot{Server: server, MAC: m.MAC, UUID: m.UUID, Remote: remote})
	if err != nil {
		return nil, "", err
	}
	n.tokens.Add(1)
	args = append(words(d, n.opt.JoinToken(t.ID, secret)), "steelyard.controller="+strings.Join(n.controllers(local), ","), "steelyard.mac="+m.MAC)
	return args, image.Digest, nil
}

// words are those of the kernel's command line that say what it is started for.
func words(d Decision, token string) []string {
	list := []string{"console=tty0", "console=ttyS0,115200", "quiet", "panic=60", "steelyard.token=" + token}
	if d.Mode != "" {
		list = append(list, "steelyard.mode="+d.Mode)
	}
	return list
}

// controllers are the addresses where the agent may connect: first the one by which the machine reached this controller.
func (n *Netboot) controllers(local netip.Addr) (list []string) {
	at, err := netip.ParseAddrPort(n.opt.Agents)
	if err != nil {
		return append(list, n.opt.Agents)
	}
	port := strconv.Itoa(int(at.Port()))
	if !at.Addr().IsUnspecified() {
		local = at.Addr().Unmap()
	}
	for _, host := range append([]string{local.String()}, n.opt.Advertise...) {
		if address := net.JoinHostPort(host, port); !slices.Contains(list, address) && !strings.ContainsAny(host, " ,") {
			list = append(list, address)
		}
	}
	return list
}

// file gives kernel or memory image, whole or in ranges.
func (n *Netboot) file(w http.ResponseWriter, r *http.Request) {
	image, _ := n.images.newest(time.Now())
	if image == nil || r.PathValue("digest") != image.Digest || image.files[r.PathValue("file")] == nil {
		http.Error(w, "there is no such file; it was replaced: ask "+pathScript+" again", http.StatusNotFound)
		return
	}
	serveFile(w, r, image.files[r.PathValue("file")], image.Digest)
	runtime.KeepAlive(image)
}

func serveFile(w http.ResponseWriter, r *http.Request, f *os.File, tag string) {
	st, err := f.Stat()
	if err != nil {
		http.Error(w, "the file cannot be read", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	if tag != "" {
		w.Header().Set("ETag", `"`+tag+`"`)
	}
	http.ServeContent(patient{w}, r, "", time.Time{}, io.NewSectionReader(f, 0, st.Size()))
}

// efi gives iPXE to firmware that boots over HTTP.
func (n *Netboot) efi(w http.ResponseWriter, r *http.Request) {
	f, err := os.Open(filepath.Join(n.opt.IPXE, fileEFI))
	if err != nil {
		http.Error(w, "iPXE is not installed", http.StatusNotFound)
		return
	}
	defer f.Close()
	serveFile(w, r, f, "")
}
