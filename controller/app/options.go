package app

import (
	"log/slog"
	"net"
	"path/filepath"
	"strings"

	"github.com/steelyard/steelyard/controller/store/kv/etcdkv"
)

// Options say how one replica reaches others.
type Options struct {
	Data      string   // directory: embedded etcd, authority, images
	HTTP      string   // address of API and console
	Agents    string   // address where agents connect
	Advertise []string // more names and addresses for the certificates
	Authority string   // directory of the fleet's authority; "" is below Data

	Etcd etcdkv.Config // external cluster, when it names endpoints

	Netboot     []string // interfaces that machines boot from; see netboot.ParseInterface
	NetbootHTTP string   // address of iPXE scripts, kernel and RAM environment; without a host only on these interfaces
	RAMEnv      string   // directory of the RAM environment; "" is below Data

	TLSCert, TLSKey string // PEM files for the API; "" takes a certificate of the fleet's authority
	PlainHTTP       bool   // no TLS; only for loopback

	EtcdLevel slog.Level // least level of the embedded etcd's own lines; 0 is info
	Version   string
	Logger    *slog.Logger
}

func (o Options) authority() string {
	if o.Authority != "" {
		return o.Authority
	}
	return filepath.Join(o.Data, "authority")
}

// ramEnv is the directory of the RAM environment.
func (o Options) ramEnv() string {
	if o.RAMEnv != "" {
		return o.RAMEnv
	}
	return filepath.Join(o.Data, "ramenv")
}

// netboots tells whether machines boot from this replica.
func (o Options) netboots() bool {
	return len(o.Netboot) > 0 || o.NetbootHTTP != "" && !strings.HasPrefix(o.NetbootHTTP, ":")
}

// names are those under which this replica is reached.
func (o Options) names() []string {
	names := append([]string{"localhost", "127.0.0.1", "::1"}, o.Advertise...)
	for _, addr := range []string{o.HTTP, o.Agents} {
		if host, _, err := net.SplitHostPort(addr); err == nil && host != "" && host != "0.0.0.0" && host != "::" {
			names = append(names, host)
		}
	}
	return names
}
