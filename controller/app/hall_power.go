package app

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/steelyard/steelyard/controller/outofband/power/ipmisim"
	"github.com/steelyard/steelyard/controller/outofband/power/machine"
	"github.com/steelyard/steelyard/controller/outofband/power/redfishsim"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/pause"
	"github.com/steelyard/steelyard/pkg/simulated"
)

// ChassisCommand is the first argument with which ipmi_sim calls this program back; see [Chassis].
const ChassisCommand = "ipmi-chassis"

// Chassis answers ipmi_sim: args are a socket and ipmi_sim's words.
func Chassis(args []string, out io.Writer) error {
	if len(args) < 1 {
		return fault.Invalid("%s is called by ipmi_sim only", ChassisCommand)
	}
	return ipmisim.Chassis(args[1:], args[0], out)
}

func (h *hall) machine(m simulated.Machine) machine.Machine {
	return &machine.Simulated{Client: h.control, Name: m.Serial}
}

func (h *hall) addSystem(m simulated.Machine) {
	h.service.Add(redfishsim.System{
		ID: m.Serial, Machine: h.machine(m), Model: "Simulated server", SerialNumber: m.Serial, UUID: m.UUID,
		MAC: fmt.Sprintf("02:53:00:%02x:%02x:%02x", byte(m.Number>>16), byte(m.Number>>8), byte(m.Number)), Firmware: "1.0",
	})
}

// playIPMI keeps an ipmi_sim for one machine until ctx ends.
func (h *hall) playIPMI(ctx context.Context, m simulated.Machine) error {
	exe, err := os.Executable()
	if err != nil {
		return fault.Unavailable("the chassis of ipmi_sim cannot be named: %w", err)
	}
	o := ipmisim.Options{
		Address: h.plan.IPMI[m.Number], Username: hallUser, Password: h.plan.Password, Model: "Simulated server", Serial: m.Serial,
		Machine: h.machine(m), Chassis: []string{exe, ChassisCommand}, Dir: h.file(fmt.Sprintf("ipmi-%d", m.Number)),
	}
	for {
		err := ipmisim.Run(ctx, o)
		if ctx.Err() != nil {
			return nil
		}
		h.log.Warn("a simulated management controller ended and is started again", "address", o.Address, "error", err)
		if pause.For(ctx, time.Second) != nil {
			return nil
		}
	}
}

func (h *hall) serveRedfish(ctx context.Context) error {
	s := &http.Server{
		Handler: h.service, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 20 * time.Second, IdleTimeout: time.Minute,
		ErrorLog: log.New(io.Discard, "", 0), // a client that hung up
	}
	stop := context.AfterFunc(ctx, func() { _ = s.Close() })
	defer stop()
	err := s.Serve(tls.NewListener(h.listener, &tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{h.cert}, NextProtos: []string{"http/1.1"},
	}))
	if ctx.Err() != nil {
		return nil
	}
	return fault.Unavailable("the simulated management controllers: %w", err)
}

// hallCertificate reads the certificate of an earlier start, or makes and keeps one. pin is what is
// accepted of it.
func hallCertificate(path string) (cert tls.Certificate, pin string, err error) {
	if cert, err = tls.LoadX509KeyPair(path, path); err == nil {
		sum := sha256.Sum256(cert.Certificate[0])
		return cert, hex.EncodeToString(sum[:]), nil
	}
	if cert, pin, err = redfishsim.Certificate("127.0.0.1"); err != nil {
		return cert, "", err
	}
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		return cert, "", err
	}
	text := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})...)
	return cert, pin, writeFile(path, text)
}
