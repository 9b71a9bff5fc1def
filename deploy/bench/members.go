package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/gob"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/steelyard/steelyard/controller/authority"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/pkg/id"
	"github.com/steelyard/steelyard/protocol"
)

// member is a server that may connect: all peers get the same certificates.
type member struct {
	ID, Serial string
	Cert, Key  []byte // X.509 and SEC 1, DER
}

const instance = "instance-of-the-bench"

func (m member) record() fleet.Server {
	return fleet.Server{ID: m.ID, Name: m.ID, InstanceID: instance, Environment: protocol.EnvSimulated, Approval: fleet.Approved, CertSerial: m.Serial}
}

func (m member) certificate() (tls.Certificate, error) {
	key, err := x509.ParseECPrivateKey(m.Key)
	return tls.Certificate{Certificate: [][]byte{m.Cert}, PrivateKey: key}, err
}

func membersFile(dir string) string { return filepath.Join(dir, "members.gob") }

// enlist makes an authority in dir, and n servers with certificates of it.
func enlist(dir string, n int) error {
	auth, err := authority.Open(dir)
	if err != nil {
		return err
	}
	list := make([]member, n)
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i := range list {
		g.Go(func() (err error) { list[i], err = newMember(auth); return err })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	f, err := os.Create(membersFile(dir))
	if err != nil {
		return err
	}
	return errors.Join(gob.NewEncoder(f).Encode(list), f.Close())
}

func newMember(auth *authority.Authority) (m member, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return m, err
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		return m, err
	}
	issued, err := auth.IssueAgent(id.New("srv"), csr, 24*time.Hour)
	if err != nil {
		return m, err
	}
	m = member{ID: issued.ServerID, Serial: issued.Serial, Cert: issued.DER}
	m.Key, err = x509.MarshalECPrivateKey(key)
	return m, err
}

// enlisted opens what enlist made.
func enlisted(dir string) (*authority.Authority, []member, error) {
	auth, err := authority.Open(dir)
	if err != nil {
		return nil, nil, err
	}
	f, err := os.Open(membersFile(dir))
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	var list []member
	return auth, list, gob.NewDecoder(f).Decode(&list)
}
