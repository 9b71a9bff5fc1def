package rmcp

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"encoding/binary"
	"errors"

	"github.com/bougou/go-ipmi/pkg/crypto"
	"github.com/bougou/go-ipmi/pkg/types"
)

// Parts of an RMCP+ datagram (sections 13.1.3 and 13.6).
const (
	headerLength  = 4  // RMCP
	sessionLength = 12 // format, type, session, sequence, length
	maxDatagram   = 1024

	encrypted     = 0x80
	authenticated = 0x40
	payloadIPMI   = 0x00
)

var rmcpHeader = []byte{0x06, 0x00, 0xff, 0x07} // version 1.0, no acknowledgement, class IPMI

var errPacket = errors.New("not a packet of this session")

// keys are what a session is protected with. The zero value protects nothing: the handshake.
type keys struct {
	suite  Suite
	k1, k2 []byte
	local  uint32 // our session id
	remote uint32 // the controller's
}

// seal makes a datagram of a payload.
func (k *keys) seal(kind uint8, sequence uint32, payload []byte) ([]byte, error) {
	if k.suite.crypt == types.CryptAlg_AES_CBC_128 {
		var err error
		if payload, err = encrypt(k.k2, payload); err != nil {
			return nil, err
		}
		kind |= encrypted
	}
	if k.suite.integrity != types.IntegrityAlg_None {
		kind |= authenticated
	}
	out := append(bytes.Clone(rmcpHeader), 0x06, kind)
	out = binary.LittleEndian.AppendUint32(out, k.remote)
	out = binary.LittleEndian.AppendUint32(out, sequence)
	out = binary.LittleEndian.AppendUint16(out, uint16(len(payload)))
	out = append(out, payload...)
	if kind&authenticated == 0 {
		return out, nil
	}
	pad := 0
	for (len(out)-headerLength+2)%4 != 0 { // with the two bytes below
		out = append(out, 0xff)
		pad++
	}
	out = append(out, byte(pad), 0x07)
	code, err := crypto.SessionIntegrityAuthCode(k.suite.integrity, out[headerLength:], k.k1, "")
	return append(out, code...), err
}

// open takes the payload out of a datagram of the given kind, checked. The sequence
// number is the caller's to judge.
func (k *keys) open(kind uint8, in []byte) (payload []byte, sequence uint32, err error) {
	if len(in) < headerLength+sessionLength || in[0] != 0x06 || in[3] != 0x07 || in[4] != 0x06 {
		return nil, 0, errPacket
	}
	want := kind
	if k.suite.crypt != types.CryptAlg_None {
		want |= encrypted
	}
	if k.suite.integrity != types.IntegrityAlg_None {
		want |= authenticated
	}
	session := binary.LittleEndian.Uint32(in[6:])
	sequence = binary.LittleEndian.Uint32(in[10:])
	length := int(binary.LittleEndian.Uint16(in[14:]))
	end := headerLength + sessionLength + length
	if in[5] != want || session != k.local || end > len(in) {
		return nil, 0, errPacket
	}
	if err := k.verify(in, end); err != nil {
		return nil, 0, err
	}
	payload = in[headerLength+sessionLength : end]
	if k.suite.crypt == types.CryptAlg_AES_CBC_128 {
		payload, err = decrypt(k.k2, payload)
	}
	return payload, sequence, err
}

// verify checks the integrity code that follows the payload, which ends at end.
func (k *keys) verify(in []byte, end int) error {
	if k.suite.integrity == types.IntegrityAlg_None {
		return nil
	}
	size, known := crypto.IntegrityAuthCodeLen(k.suite.integrity)
	code := len(in) - size
	if !known || code < end+2 {
		return errPacket
	}
	want, err := crypto.SessionIntegrityAuthCode(k.suite.integrity, in[headerLength:code], k.k1, "")
	if err != nil || !hmac.Equal(want, in[code:]) {
		return errPacket
	}
	return nil
}

// encrypt is AES-CBC-128 with a random vector in front (section 13.29).
func encrypt(k2, plain []byte) ([]byte, error) {
	block, err := aes.NewCipher(k2[:16])
	if err != nil {
		return nil, err
	}
	padded := bytes.Clone(plain)
	pad := (aes.BlockSize - (len(plain)+1)%aes.BlockSize) % aes.BlockSize
	for i := range pad {
		padded = append(padded, byte(i+1))
	}
	padded = append(padded, byte(pad))
	out := make([]byte, aes.BlockSize+len(padded))
	if _, err := rand.Read(out[:aes.BlockSize]); err != nil {
		return nil, err
	}
	cipher.NewCBCEncrypter(block, out[:aes.BlockSize]).CryptBlocks(out[aes.BlockSize:], padded)
	return out, nil
}

func decrypt(k2, in []byte) ([]byte, error) {
	if len(in) < 2*aes.BlockSize || len(in)%aes.BlockSize != 0 {
		return nil, errPacket
	}
	block, err := aes.NewCipher(k2[:16])
	if err != nil {
		return nil, err
	}
	out := make([]byte, len(in)-aes.BlockSize)
	cipher.NewCBCDecrypter(block, in[:aes.BlockSize]).CryptBlocks(out, in[aes.BlockSize:])
	pad := int(out[len(out)-1])
	if pad >= aes.BlockSize || pad+1 > len(out) {
		return nil, errPacket
	}
	return out[:len(out)-1-pad], nil
}
