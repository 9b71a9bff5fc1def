package etcdtest

import (
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/transport"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"

	"github.com/steelyard/steelyard/controller/store/embedded"
	"github.com/steelyard/steelyard/controller/store/kv/etcdkv"
)

// Cluster is three members of one etcd.
type Cluster struct {
	certs   certs
	members []*embed.Etcd
	urls    []string
}

// NewCluster starts three members and waits until each is ready. They stop
// when the test ends.
func NewCluster(t testing.TB) *Cluster {
	t.Helper()
	embedded.SmallLogs()
	c := &Cluster{certs: newCerts(t, t.TempDir())}
	var initial []string
	peers := make([]url.URL, 3)
	clients := make([]url.URL, 3)
	for i := range peers {
		peers[i], clients[i] = freeURL(t), freeURL(t)
		initial = append(initial, fmt.Sprintf("m%d=%s", i, peers[i].String()))
		c.urls = append(c.urls, clients[i].String())
	}
	for i := range peers {
		e, err := embed.StartEtcd(c.config(t, i, peers[i], clients[i], strings.Join(initial, ",")))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if c.members[i] != nil {
				e.Close()
			}
		})
		c.members = append(c.members, e)
	}
	for _, m := range c.members {
		select {
		case <-m.Server.ReadyNotify():
		case <-time.After(30 * time.Second):
			t.Fatal("a member of the cluster did not become ready")
		}
	}
	return c
}

func (c *Cluster) config(t testing.TB, i int, peer, client url.URL, initial string) *embed.Config {
	tls := transport.TLSInfo{CertFile: c.certs.cert("member"), KeyFile: c.certs.key("member"), TrustedCAFile: c.certs.ca(), ClientCertAuth: true}
	cfg := embed.NewConfig()
	cfg.Name, cfg.Dir = fmt.Sprintf("m%d", i), filepath.Join(t.TempDir(), "etcd")
	cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = []url.URL{peer}, []url.URL{peer}
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls = []url.URL{client}, []url.URL{client}
	cfg.PeerTLSInfo, cfg.ClientTLSInfo = tls, tls
	cfg.InitialCluster = initial
	cfg.EnableGRPCGateway, cfg.UnsafeNoFsync = false, true
	cfg.TickMs, cfg.ElectionMs = 50, 500
	cfg.BcryptCost = 4
	cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
	return cfg
}

// Config reaches all members with the client certificate.
func (c *Cluster) Config() etcdkv.Config {
	return etcdkv.Config{Endpoints: c.urls, CAFile: c.certs.ca(), CertFile: c.certs.cert("client"), KeyFile: c.certs.key("client")}
}

// KillLeader stops the member that leads now, for good.
func (c *Cluster) KillLeader() {
	for i, m := range c.members {
		if m != nil && m.Server.MemberID() == m.Server.Leader() {
			m.Close()
			c.members[i] = nil // an etcd must not be closed twice
			return
		}
	}
}

// freeURL reserves a port by asking for one and giving it back.
func freeURL(t testing.TB) url.URL {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return url.URL{Scheme: "https", Host: l.Addr().String()}
}
