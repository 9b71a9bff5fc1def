package book

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"

	"github.com/vmihailenco/msgpack/v5"
)

// frameMax bounds what is read back at once: the counts of 5,000 busy accounts of a day.
const frameMax = 256 << 20

var (
	table    = crc32.MakeTable(crc32.Castagnoli)
	errFrame = errors.New("not a whole frame")
)

// frame is v with length and checksum before it.
func frame(v any) ([]byte, error) {
	b := bytes.NewBuffer(make([]byte, 8, 4096))
	e := msgpack.NewEncoder(b)
	e.UseArrayEncodedStructs(true)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	text := b.Bytes()
	if len(text)-8 > frameMax {
		return nil, errFrame
	}
	binary.LittleEndian.PutUint32(text, uint32(len(text)-8))
	binary.LittleEndian.PutUint32(text[4:], crc32.Checksum(text[8:], table))
	return text, nil
}

// unframe reads the next frame into v and tells its length with everything. Errors: io.EOF at the end; errFrame where the rest is torn or damaged.
func unframe(r *bufio.Reader, v any) (int64, error) {
	var head [8]byte
	if _, err := io.ReadFull(r, head[:]); err == io.EOF {
		return 0, io.EOF
	} else if err != nil {
		return 0, torn(err)
	}
	n := binary.LittleEndian.Uint32(head[:])
	if n > frameMax {
		return 0, errFrame
	}
	b, err := io.ReadAll(io.LimitReader(r, int64(n))) // grows with what is there, not with what a damaged length claims
	if err != nil {
		return 0, err
	}
	if len(b) < int(n) || crc32.Checksum(b, table) != binary.LittleEndian.Uint32(head[4:]) || msgpack.Unmarshal(b, v) != nil {
		return 0, errFrame
	}
	return int64(8 + len(b)), nil
}

func torn(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return errFrame
	}
	return err
}
