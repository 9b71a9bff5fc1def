package etcdkv

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"os"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/steelyard/steelyard/pkg/fault"
)

// Config says how to reach an external cluster.
type Config struct {
	Endpoints    []string // "https://10.0.0.1:2379", at least one
	CAFile       string   // PEM; who may have signed the members' certificates. "" is no TLS
	CertFile     string   // PEM; our certificate, read again at each connection, so it may be renewed in place
	KeyFile      string
	ServerName   string // name in the members' certificates; "" is the host of the endpoint
	Username     string // "" when the certificate's common name is the user, or without auth
	PasswordFile string
	Options
}

// Open connects. The cluster need not be there yet unless a user name is given
// (etcd hands out the token at once); then the fault is unavailable and Open
// may be tried again. Wrong settings are faults of kind invalid.
func Open(cfg Config) (*Store, error) {
	cc, err := cfg.client()
	if err != nil {
		return nil, err
	}
	c, err := clientv3.New(cc)
	if err != nil {
		return nil, explain("connect to etcd", err)
	}
	s := New(c, cfg.Options)
	s.owned = true
	return s, nil
}

func (cfg Config) client() (clientv3.Config, error) {
	var check fault.Check
	check.Require(len(cfg.Endpoints) > 0, "etcd-endpoints", "is empty; name at least one member")
	check.Require((cfg.CertFile == "") == (cfg.KeyFile == ""), "etcd-cert", "and etcd-key go together")
	check.Require((cfg.Username == "") == (cfg.PasswordFile == ""), "etcd-user", "and etcd-password-file go together")
	out := clientv3.Config{
		Endpoints: cfg.Endpoints, Username: cfg.Username, Logger: zap.NewNop(),
		DialTimeout: 5 * time.Second, DialKeepAliveTime: 10 * time.Second, DialKeepAliveTimeout: 5 * time.Second,
		MaxCallSendMsgSize: 2 << 20, TLS: cfg.tls(&check),
	}
	if cfg.PasswordFile != "" {
		password, err := os.ReadFile(cfg.PasswordFile)
		check.Require(err == nil, "etcd-password-file", "cannot be read: %v", err)
		out.Password = string(bytes.TrimRight(password, "\r\n"))
	}
	return out, check.Err("the connection to etcd is not set up")
}

func (cfg Config) tls(check *fault.Check) *tls.Config {
	if cfg.CAFile == "" {
		check.Require(cfg.CertFile == "", "etcd-ca", "is needed with etcd-cert")
		return nil
	}
	pem, err := os.ReadFile(cfg.CAFile)
	check.Require(err == nil, "etcd-ca", "cannot be read: %v", err)
	pool := x509.NewCertPool()
	check.Require(err != nil || pool.AppendCertsFromPEM(pem), "etcd-ca", "holds no certificate in PEM")
	out := &tls.Config{RootCAs: pool, ServerName: cfg.ServerName, MinVersion: tls.VersionTLS12}
	if cfg.CertFile != "" {
		_, err := tls.LoadX509KeyPair(cfg.CertFile, cfg.KeyFile)
		check.Require(err == nil, "etcd-cert", "cannot be used: %v", err)
		out.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(cfg.CertFile, cfg.KeyFile)
			return &pair, err
		}
	}
	return out
}
