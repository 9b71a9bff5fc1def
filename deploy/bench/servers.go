package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/hashicorp/yamux"
	"github.com/nats-io/nats-server/v2/server"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/steelyard/steelyard/controller/authority"
	"github.com/steelyard/steelyard/controller/gateway"
	"github.com/steelyard/steelyard/controller/gateway/gatewaytest"
	"github.com/steelyard/steelyard/protocol"
)

// The servers whose memory and CPU are compared. Each runs in a child of its own, takes mutual TLS
// 1.3 with the same certificates, and answers "resident" and "cpu".

// messageSize is that of the message that every agent sends once before it is idle.
const messageSize = 3 << 10

func figures(words []string) (any, error) {
	switch words[0] {
	case "resident":
		return residentAfterGC(), nil
	case "cpu":
		return processCPU(), nil
	}
	return nil, fmt.Errorf("%q is not understood", words)
}

// quiet is an intake that forgets reports: what is kept of them is the index, not the session.
type quiet struct{ *gatewaytest.Fleet }

func (quiet) Report(context.Context, string, string, protocol.Report) error { return nil }

func serveSteelyard(args []string) (any, func([]string) (any, error), error) {
	auth, members, err := enlisted(args[0])
	if err != nil {
		return nil, nil, err
	}
	fleet := gatewaytest.New()
	for _, m := range members {
		fleet.PutServer(m.record())
	}
	g, err := gateway.New(gateway.Options{
		Authority: auth, Certificate: auth.ServerCertificate(), Directory: fleet, Intake: quiet{fleet}, Presence: fleet, Images: fleet,
		Replica: "bench", HandshakesPerSecond: 1e5, Heartbeat: 20 * time.Minute, SampleEvery: time.Hour,
	})
	if err != nil {
		return nil, nil, err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	go func() { _ = g.Run(context.Background(), ln) }()
	return ln.Addr().String(), figures, nil
}

// mutual is the configuration of a peer's server.
func mutual(auth *authority.Authority) (*tls.Config, error) {
	cert, err := auth.IssueServer(nil)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AddCert(auth.Certificate())
	return &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{*cert}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: roots}, nil
}

func serveNATS(args []string) (any, func([]string) (any, error), error) {
	auth, _, err := enlisted(args[0])
	if err != nil {
		return nil, nil, err
	}
	config, err := mutual(auth)
	if err != nil {
		return nil, nil, err
	}
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, TLSConfig: config, TLS: true, TLSVerify: true, TLSTimeout: 30, AuthTimeout: 60,
		MaxConn: 65536, PingInterval: time.Hour, NoLog: true, NoSigs: true,
	})
	if err != nil {
		return nil, nil, err
	}
	go s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		return nil, nil, fmt.Errorf("nats-server did not start")
	}
	return s.Addr().String(), figures, nil
}

// rawCodec carries bytes as they are.
type rawCodec struct{}

func (rawCodec) Name() string                  { return "raw" }
func (rawCodec) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }
func (rawCodec) Unmarshal(data []byte, v any) error {
	*v.(*[]byte) = append([]byte(nil), data...)
	return nil
}

// hold answers messages until the stream ends.
func hold(_ any, stream grpc.ServerStream) error {
	for {
		var in []byte
		if err := stream.RecvMsg(&in); err != nil {
			return nil //nolint:nilerr // the client went away
		}
		out := make([]byte, 64)
		if err := stream.SendMsg(&out); err != nil {
			return err
		}
	}
}

func serveGRPC(args []string) (any, func([]string) (any, error), error) {
	auth, _, err := enlisted(args[0])
	if err != nil {
		return nil, nil, err
	}
	config, err := mutual(auth)
	if err != nil {
		return nil, nil, err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	s := grpc.NewServer(grpc.Creds(credentials.NewTLS(config)), grpc.ForceServerCodec(rawCodec{}))
	s.RegisterService(&grpc.ServiceDesc{
		ServiceName: "bench.Idle", HandlerType: (*any)(nil),
		Streams: []grpc.StreamDesc{{StreamName: "Hold", Handler: hold, ServerStreams: true, ClientStreams: true}},
	}, nil)
	go func() { _ = s.Serve(ln) }()
	return ln.Addr().String(), figures, nil
}

// accepting serves raw connections whose handshake ran in a goroutine that is gone: the least that
// Go's TLS needs.
func accepting(dir string, serve func(conn *tls.Conn)) (any, func([]string) (any, error), error) {
	auth, _, err := enlisted(dir)
	if err != nil {
		return nil, nil, err
	}
	config, err := mutual(auth)
	if err != nil {
		return nil, nil, err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	go func() {
		for {
			raw, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				conn := tls.Server(raw, config)
				if conn.Handshake() != nil {
					_ = raw.Close()
					return
				}
				go serve(conn)
			}()
		}
	}()
	return ln.Addr().String(), figures, nil
}

// serveTLS reads one message, answers one byte and waits for more.
func serveTLS(args []string) (any, func([]string) (any, error), error) {
	return accepting(args[0], func(conn *tls.Conn) {
		var buf [64]byte
		for n := 0; ; {
			m, err := conn.Read(buf[:])
			if err != nil {
				return
			}
			if n += m; n >= messageSize {
				_, _ = conn.Write(buf[:1])
				n = 0
			}
		}
	})
}

// serveEcho gives messages of echoSize bytes back on a yamux stream: the least that a heartbeat
// over our wire could cost.
func serveEcho(args []string) (any, func([]string) (any, error), error) {
	return accepting(args[0], func(conn *tls.Conn) {
		config := yamux.DefaultConfig()
		config.EnableKeepAlive, config.LogOutput = false, io.Discard
		mux, err := yamux.Server(conn, config)
		if err != nil {
			return
		}
		stream, err := mux.AcceptStream()
		if err != nil {
			return
		}
		var buf [echoSize]byte
		for {
			if _, err := io.ReadFull(stream, buf[:]); err != nil {
				return
			}
			if _, err := stream.Write(buf[:]); err != nil {
				return
			}
		}
	})
}
