package rmcp

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/bougou/go-ipmi/pkg/crypto"
	"github.com/bougou/go-ipmi/pkg/rmcpplus"
	"github.com/bougou/go-ipmi/pkg/types"

	"github.com/steelyard/steelyard/pkg/fault"
)

// Payload types of the handshake (table 13-16).
const (
	payloadOpen      = 0x10
	payloadOpened    = 0x11
	payloadChallenge = 0x12 // RAKP 1
	payloadResponse  = 0x13 // RAKP 2
	payloadProof     = 0x14 // RAKP 3
	payloadConfirmed = 0x15 // RAKP 4
)

// role asks for the operator privilege, the least that switches power, and for the
// user to be looked up by name alone (table 13-11).
const role = 0x10 | uint8(types.PrivilegeLevelOperator)

// errSuite says that the controller does not speak the suite that was proposed.
var errSuite = errors.New("the suite is not offered")

// handshake logs in with one suite and returns the keys of the session.
func (s *Session) handshake(ctx context.Context, suite Suite, user, password string) (*keys, error) {
	k := &keys{suite: suite, local: id()}
	if err := s.propose(ctx, k); err != nil {
		return nil, err
	}
	return k, s.prove(ctx, k, user, crypto.PadPassword20([]byte(password)))
}

func id() uint32 {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails
	return binary.LittleEndian.Uint32(b[:]) | 1
}

// propose opens the session with one suite, and no other.
func (s *Session) propose(ctx context.Context, k *keys) error {
	auth, integrity, crypt := rmcpplus.NewAlgorithmPayloads(k.suite.auth, k.suite.integrity, k.suite.crypt)
	in, err := s.shake(ctx, payloadOpen, payloadOpened, func(tag uint8) []byte {
		return (&rmcpplus.OpenSessionRequest{
			MessageTag: tag, RemoteConsoleSessionID: k.local,
			RequestedMaximumPrivilegeLevel: types.PrivilegeLevelOperator,
			AuthenticationPayload:          auth, IntegrityPayload: integrity, ConfidentialityPayload: crypt,
		}).Pack()
	})
	if err != nil {
		return err
	}
	var opened rmcpplus.OpenSessionResponse
	if err := opened.Unpack(in); err != nil || opened.RemoteConsoleSessionID != k.local {
		return fault.Unavailable("open an IPMI session: the answer makes no sense")
	}
	if opened.AuthAlg != uint8(k.suite.auth) || opened.IntegrityAlg != uint8(k.suite.integrity) || opened.CryptAlg != uint8(k.suite.crypt) {
		return errSuite
	}
	k.remote = opened.ManagedSystemSessionID
	return nil
}

// prove runs RAKP: both sides show that they know the password, and derive the keys
// from it (sections 13.20 to 13.32).
func (s *Session) prove(ctx context.Context, k *keys, user string, secret []byte) error {
	var console [16]byte
	_, _ = rand.Read(console[:])
	in, err := s.shake(ctx, payloadChallenge, payloadResponse, func(tag uint8) []byte {
		return (&rmcpplus.RAKPMessage1{
			MessageTag: tag, ManagedSystemSessionID: k.remote, RemoteConsoleRandomNumber: console,
			RequestedMaximumPrivilegeLevel: types.PrivilegeLevelOperator, NameOnlyLookup: true,
			UsernameLength: uint8(len(user)), Username: []byte(user),
		}).Pack()
	})
	if err != nil {
		return err
	}
	response := rmcpplus.RAKPMessage2{AuthAlg: k.suite.auth}
	if err := response.Unpack(in); err != nil {
		return fault.Unavailable("log in to the management controller: %w", err)
	}
	random, guid := response.ManagedSystemRandomNumber[:], response.ManagedSystemGUID[:]
	want, err := crypto.RAKP2AuthCode(k.suite.auth, k.local, k.remote, console[:], random, guid, role, user, secret)
	if err != nil || !hmac.Equal(want, response.KeyExchangeAuthenticationCode) || response.RemoteConsoleSessionID != k.local {
		return errPassword
	}
	sik, k1, k2, err := crypto.DeriveSessionKeys(k.suite.auth, console[:], random, role, user, secret)
	if err != nil {
		return fault.Internal("derive session keys: %w", err)
	}
	k.k1, k.k2 = k1, k2
	proof, err := crypto.RAKP3AuthCode(k.suite.auth, random, k.local, role, user, secret)
	if err != nil {
		return fault.Internal("prove the password: %w", err)
	}
	confirmed, err := crypto.RAKP4ICV(k.suite.auth, console[:], k.remote, guid, sik)
	if err != nil {
		return fault.Internal("expect the proof of the management controller: %w", err)
	}
	return s.confirm(ctx, k, proof, confirmed)
}

// confirm sends our proof and checks the controller's.
func (s *Session) confirm(ctx context.Context, k *keys, proof, want []byte) error {
	in, err := s.shake(ctx, payloadProof, payloadConfirmed, func(tag uint8) []byte {
		return (&rmcpplus.RAKPMessage3{MessageTag: tag, ManagedSystemSessionID: k.remote, KeyExchangeAuthenticationCode: proof}).Pack()
	})
	if err != nil {
		return err
	}
	confirmed := rmcpplus.RAKPMessage4{AuthAlg: k.suite.auth}
	if err := confirmed.Unpack(in); err != nil {
		return fault.Unavailable("log in to the management controller: %w", err)
	}
	if !hmac.Equal(want, confirmed.IntegrityCheckValue) || confirmed.MgmtConsoleSessionID != k.local {
		return errPassword
	}
	return nil
}

// shake sends one message of the handshake until it is answered. Every try has a tag of
// its own, so that a late answer of an earlier one is not taken for it.
func (s *Session) shake(ctx context.Context, kind, expect uint8, message func(tag uint8) []byte) ([]byte, error) {
	none := &keys{}
	return s.exchange(ctx,
		func() ([]byte, error) {
			s.tag++
			return none.seal(kind, 0, message(s.tag))
		},
		func(in []byte) ([]byte, bool) {
			payload, _, err := none.open(expect, in)
			return payload, err == nil && len(payload) >= 2 && payload[0] == s.tag // a refusal has two bytes or eight
		},
		func(payload []byte) error { return status(payload[1]) },
	)
}

var errPassword = fault.Refused("the management controller does not accept the user name and password; check the credentials, and that IPMI over LAN is on for this user with the operator privilege")

// status gives the RMCP+ status codes (table 13-15) a meaning.
func status(code uint8) error {
	switch code {
	case 0x00:
		return nil
	case 0x01, 0x0b:
		return fault.Unavailable("the management controller has no free IPMI session; try again in a minute")
	case 0x04, 0x05, 0x06, 0x07, 0x10, 0x11:
		return errSuite
	case 0x09, 0x0a:
		return fault.Refused("the management controller does not give this user the operator privilege on its LAN channel; raise it to operator")
	case 0x0c, 0x0d, 0x0e, 0x0f:
		return errPassword
	default:
		return fault.Unavailable("the management controller breaks off the login (%s)", fmt.Sprintf("RMCP+ status %#02x", code))
	}
}
