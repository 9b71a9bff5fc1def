package session

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"reflect"
	"sync"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/steelyard/steelyard/protocol"
)

// headerSize is the length field and the kind.
const headerSize = 5

// The library decodes a time into the zone of this machine; records want UTC.
func init() {
	msgpack.RegisterExtDecoder(-1, time.Time{}, decodeUTC)
}

func decodeUTC(d *msgpack.Decoder, v reflect.Value, size int) error {
	var raw [12]byte
	if size > len(raw) {
		return fmt.Errorf("a time of %d bytes", size)
	}
	if err := d.ReadFull(raw[:size]); err != nil {
		return err
	}
	var sec, nsec int64
	switch size {
	case 4:
		sec = int64(binary.BigEndian.Uint32(raw[:]))
	case 8:
		both := binary.BigEndian.Uint64(raw[:])
		sec, nsec = int64(both&(1<<34-1)), int64(both>>34)
	case 12:
		sec, nsec = int64(binary.BigEndian.Uint64(raw[4:])), int64(binary.BigEndian.Uint32(raw[:]))
	default:
		return fmt.Errorf("a time of %d bytes", size)
	}
	*v.Addr().Interface().(*time.Time) = time.Unix(sec, nsec).UTC()
	return nil
}

// encoder is a buffer with an encoder that writes to it.
type encoder struct {
	buf bytes.Buffer
	enc *msgpack.Encoder
}

var encoders = sync.Pool{New: func() any {
	e := new(encoder)
	e.enc = msgpack.NewEncoder(&e.buf)
	e.enc.SetCustomStructTag("json")
	e.enc.UseCompactInts(true)
	return e
}}

// keep is the largest buffer worth keeping for the next message.
const keep = 64 << 10

func (e *encoder) release() {
	if e.buf.Cap() <= keep {
		encoders.Put(e)
	}
}

// encode makes one frame. The bytes belong to the encoder, which the caller releases.
func encode(kind protocol.Kind, msg any) (*encoder, error) {
	e := encoders.Get().(*encoder)
	e.buf.Reset()
	e.buf.Write([]byte{0, 0, 0, 0, byte(kind)})
	if err := e.enc.Encode(msg); err != nil {
		e.release()
		return nil, err
	}
	frame := e.buf.Bytes()
	size := len(frame) - headerSize + 1
	if size > Limit(kind) {
		e.release()
		return nil, Bad(ReasonTooLarge, "a message of kind %d has %d bytes; %d are allowed", kind, size, Limit(kind))
	}
	binary.BigEndian.PutUint32(frame, uint32(size))
	return e, nil
}

// Marshal makes the bytes of one frame, for tests and for tools that replay them.
func Marshal(kind protocol.Kind, msg any) ([]byte, error) {
	e, err := encode(kind, msg)
	if err != nil {
		return nil, err
	}
	defer e.release()
	return bytes.Clone(e.buf.Bytes()), nil
}

type decoder struct {
	src bytes.Reader
	dec *msgpack.Decoder
}

var decoders = sync.Pool{New: func() any {
	d := new(decoder)
	d.dec = msgpack.NewDecoder(&d.src)
	d.dec.SetCustomStructTag("json")
	return d
}}

// unmarshal fills msg, a pointer to a struct of package protocol, from bytes that
// Scan accepted.
func unmarshal(body []byte, msg any) error {
	d := decoders.Get().(*decoder)
	if err := d.decode(body, msg); err != nil {
		return Bad(ReasonDecode, "the message is not the %T that its kind says: %v", msg, err)
	}
	decoders.Put(d)
	return nil
}

// decode keeps the library's panics (it has one for nil in the place of a time) from
// ending more than one message. A decoder that failed is not used again.
func (d *decoder) decode(body []byte, msg any) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%v", p)
		}
	}()
	d.src.Reset(body)
	err = d.dec.Decode(msg)
	d.src.Reset(nil)
	return err
}

// Limit is the largest allowed size of a frame of kind k, the kind byte included; 0 for
// a kind that nobody knows.
func Limit(k protocol.Kind) int {
	switch k {
	case protocol.KindReport, protocol.KindCommand, protocol.KindResult, protocol.KindHostedHave, protocol.KindHostedSet, protocol.KindHostedReport,
		protocol.KindUsageReport, protocol.KindUsageAnswer:
		return protocol.MaxFrame
	case protocol.KindEnrolRequest:
		return protocol.MaxEnrolFrame
	}
	if k >= protocol.KindHello && k <= protocol.KindUsageAnswer {
		return protocol.MaxControlFrame
	}
	return 0
}
