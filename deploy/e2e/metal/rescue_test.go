package metal

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/steelyard/steelyard/deploy/e2e/metal/qemu"
	"github.com/steelyard/steelyard/protocol"
)

// keyPair is a customer's: the private half is in a file, the public one is the line of an order.
func keyPair(t *testing.T) (file, line string) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "ann")
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "id")
	if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return file, strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey())))
}

// rescue starts a customer's server from memory, goes in with his key and a real client, reads what his own system wrote on
// its disk, and starts that system again.
func (h *house) rescue(k known, service, address, want string) {
	h.t.Helper()
	qemu.Need(h.t, "ssh", "busybox")
	h.must("POST", "/v1/services/"+service+"/rescue", object{"reason": "it does not start any more"}, nil)
	h.done(h.latest(k.ID, "rescue"))
	var s struct{ State, Message string }
	h.must("GET", "/v1/services/"+service, nil, &s)
	if s.State != "rescue" || !strings.Contains(s.Message, "ssh root@"+address+"; its host key is SHA256:") {
		h.t.Errorf("the service is %s: %s", s.State, s.Message)
	}
	hosts := filepath.Join(h.t.TempDir(), "known_hosts")
	login := func(command string) string {
		cmd := h.rack.Command("ssh", "-F", "/dev/null", "-i", h.key, "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=accept-new",
			"-o", "UserKnownHostsFile="+hosts, "-o", "ConnectTimeout=20", "root@"+address, command)
		out, err := cmd.CombinedOutput()
		if err != nil {
			h.t.Errorf("%s: %v", command, err)
		}
		return string(out)
	}
	const read = "mkdir -p /mnt && mount -t ext4 -o ro $(findfs LABEL=steelyard-root) /mnt && cat /mnt/srv/letter && umount /mnt; ip route show default"
	out := login(read)
	if !strings.Contains(out, want) || !strings.Contains(out, "default via 10.77.0.1") || !strings.Contains(out, "src "+address) {
		h.t.Errorf("the customer reads %q", out)
	}
	if raw, err := os.ReadFile(hosts); err != nil || !strings.Contains(s.Message, fingerprint(raw)) {
		h.t.Errorf("the host key is not the one that was told: %v", err)
	}
	for what, try := range map[string]func() (int, string){
		"diagnostics": func() (int, string) {
			return h.try("POST", "/v1/servers/"+k.ID+"/operations", object{"kind": "diagnose"}, nil)
		},
		"an erase": func() (int, string) {
			return h.try("POST", "/v1/servers/"+k.ID+"/operations", object{"kind": "erase"}, nil)
		},
		"a console": func() (int, string) { return h.visit(k.ID) },
	} {
		if status, text := try(); status != 409 {
			h.t.Errorf("%s in rescue: %d %s", what, status, text)
		}
	}
	h.must("POST", "/v1/services/"+service+"/end-rescue", object{"reason": "repaired"}, nil)
	h.serviceIs(service, "active")
	eventually(h.t, "the customer's own system reports again", func() bool {
		var now known
		status, _ := h.try("GET", "/v1/servers/"+k.ID, nil, &now)
		return status == 200 && now.Connected && now.Environment == protocol.EnvInstalled
	})
	if status, text := h.visit(k.ID); status != 409 || !strings.Contains(text, "customer") {
		h.t.Errorf("a console of an installed system: %d %s", status, text)
	}
}

// visit asks for a console, as the operator's command does.
func (h *house) visit(server string) (int, string) {
	return h.tryWith(map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "c3RlZWx5YXJkc3RlZWx5YQ=="},
		"GET", "/v1/servers/"+server+"/console?reason=look", nil, nil)
}

// fingerprint is that of the key in a line of known_hosts.
func fingerprint(line []byte) string {
	_, _, key, _, _, err := ssh.ParseKnownHosts(line)
	if err != nil {
		return "none: " + err.Error()
	}
	return ssh.FingerprintSHA256(key)
}
