package e2e

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"mime/quotedprintable"
	"net"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// identity is a certificate for an address, in files.
type identity struct{ address, cert, key string }

func newIdentity(t *testing.T, address string) identity {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "receiver"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.ParseIP(address)}, IsCA: true, BasicConstraintsValid: true, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(t, err)
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	dir := t.TempDir()
	id := identity{address, filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")}
	must(t, os.WriteFile(id.cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	must(t, os.WriteFile(id.key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}), 0o600))
	return id
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// letter is a mail that the server took: as it came, and decoded.
type letter struct{ to, subject, raw, text string }

// postbox is a real mail server, which wants TLS, a user and his password.
type postbox struct {
	t    *testing.T
	port int

	mu    sync.Mutex
	taken []letter
}

func newPostbox(t *testing.T, id identity, passwordFile string) *postbox {
	t.Helper()
	const python = "/usr/bin/python3" // Debian's own, which sees the libraries that Debian installs
	if exec.Command(python, "-c", "import aiosmtpd").Run() != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("the mail server of the tests is missing: apt-get install python3-aiosmtpd")
		}
		t.Skip("the mail server of the tests is missing: apt-get install python3-aiosmtpd")
	}
	server := exec.Command(python, "../../controller/notify/testdata/smtpd.py", id.address, "starttls", id.cert, id.key, passwordFile)
	server.Stderr = t.Output()
	server.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	out, err := server.StdoutPipe()
	must(t, err)
	must(t, server.Start())
	t.Cleanup(func() { _ = server.Process.Kill(); _ = server.Wait() })
	lines := bufio.NewReader(out)
	first, err := lines.ReadString('\n')
	must(t, err)
	p := &postbox{t: t}
	p.port, err = strconv.Atoi(strings.TrimSpace(first))
	must(t, err)
	go p.take(lines) // ends with the server
	return p
}

func (p *postbox) take(lines *bufio.Reader) {
	for {
		line, err := lines.ReadBytes('\n')
		var m struct {
			To   []string
			Text string
		}
		if err != nil || json.Unmarshal(line, &m) != nil || len(m.To) == 0 {
			return
		}
		l := letter{to: m.To[0], raw: m.Text}
		if msg, err := mail.ReadMessage(strings.NewReader(m.Text)); err == nil {
			body, _ := io.ReadAll(quotedprintable.NewReader(msg.Body))
			l.subject, l.text = msg.Header.Get("Subject"), string(body)
		}
		p.mu.Lock()
		p.taken = append(p.taken, l)
		p.mu.Unlock()
	}
}

// all are the mails that arrived so far.
func (p *postbox) all() []letter {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]letter{}, p.taken...)
}

// listener takes what webhooks post, heads included.
type listener struct {
	url string

	mu    sync.Mutex
	heard []byte
}

func newListener(t *testing.T, id identity) *listener {
	t.Helper()
	l := &listener{}
	pair, err := tls.LoadX509KeyPair(id.cert, id.key)
	must(t, err)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(io.LimitReader(r.Body, 1<<20))
		l.mu.Lock()
		defer l.mu.Unlock()
		for name, values := range r.Header {
			l.heard = append(l.heard, name+": "+strings.Join(values, " ")+"\n"...)
		}
		l.heard = append(append(l.heard, body...), '\n')
	}))
	_ = server.Listener.Close()
	server.Listener, err = net.Listen("tcp", net.JoinHostPort(id.address, "0"))
	must(t, err)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	server.StartTLS()
	t.Cleanup(server.Close)
	l.url = server.URL
	return l
}

func (l *listener) all() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]byte{}, l.heard...)
}
