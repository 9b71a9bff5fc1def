package scan

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
)

// The milter protocol, version 6, as Postfix speaks it: a length, a letter, data.
const (
	cmdOptions   = 'O'
	cmdMail      = 'M'
	cmdRecipient = 'R'
	cmdHeader    = 'L'
	cmdHeaderEnd = 'N'
	cmdBody      = 'B'
	cmdEnd       = 'E'
	cmdAbort     = 'A'
	cmdQuit      = 'Q'
	cmdQuitNew   = 'K' // another connection's mails follow

	replyContinue = 'c'
	replyAccept   = 'a'
	replyCode     = 'y'
	replyDelete   = '-' // a recipient

	actionDelete = 0x08 // may delete recipients

	skipConnect, skipHelo, skipUnknown, skipData             = 0x01, 0x02, 0x100, 0x200
	quietHeader, quietMail, quietRecipient, quietBody uint32 = 0x80, 0x4000, 0x8000, 0x80000
	maxPacket                                                = 1 << 20
)

// packet is what one side says.
type packet struct {
	cmd  byte
	data []byte
}

func read(r *bufio.Reader) (packet, error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return packet{}, err
	}
	size := binary.BigEndian.Uint32(head[:])
	if size == 0 || size > maxPacket {
		return packet{}, fmt.Errorf("a packet of %d bytes", size)
	}
	p := packet{head[4], make([]byte, size-1)}
	_, err := io.ReadFull(r, p.data)
	return p, err
}

func write(w io.Writer, cmd byte, data []byte) error {
	text := binary.BigEndian.AppendUint32(nil, uint32(len(data)+1))
	_, err := w.Write(append(append(text, cmd), data...))
	return err
}

// texts are the strings of a packet.
func texts(data []byte) []string {
	var list []string
	for part := range bytes.SplitSeq(bytes.TrimSuffix(data, []byte{0}), []byte{0}) {
		list = append(list, string(part))
	}
	return list
}

// options answers what Postfix offers with what of it is wanted.
func options(offer []byte) (answer []byte, mayDelete bool, quiet uint32, err error) {
	if len(offer) < 12 {
		return nil, false, 0, fmt.Errorf("options of %d bytes", len(offer))
	}
	version, actions, protocol := binary.BigEndian.Uint32(offer), binary.BigEndian.Uint32(offer[4:]), binary.BigEndian.Uint32(offer[8:])
	if version < 6 {
		return nil, false, 0, fmt.Errorf("milter protocol %d", version)
	}
	quiet = protocol & (quietHeader | quietMail | quietRecipient | quietBody)
	answer = binary.BigEndian.AppendUint32(nil, 6)
	answer = binary.BigEndian.AppendUint32(answer, actions&actionDelete)
	answer = binary.BigEndian.AppendUint32(answer, quiet|protocol&(skipConnect|skipHelo|skipUnknown|skipData))
	return answer, actions&actionDelete != 0, quiet, nil
}
