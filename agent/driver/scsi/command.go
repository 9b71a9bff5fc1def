package scsi

import (
	"errors"
	"fmt"
	"time"
)

// Direction of the data of a command.
type Direction int

// Directions, as sg_io_hdr names them.
const (
	None Direction = -1
	Out  Direction = -2 // to the drive
	In   Direction = -3 // from the drive
)

// Command is one command with its data.
type Command struct {
	CDB       []byte
	Direction Direction
	Data      []byte
	Timeout   time.Duration
}

// Send sends a command. A CHECK CONDITION is no error: its sense data are returned, else nil.
type Send func(c Command) (sense []byte, err error)

// Sense keys.
const (
	KeyNone      = 0x0
	KeyRecovered = 0x1
	KeyNotReady  = 0x2
	KeyIllegal   = 0x5
	KeyAttention = 0x6
	KeyAborted   = 0xB
)

// Sense is what a drive says beside its answer.
type Sense struct {
	Key, ASC, ASCQ byte
	Share          float64 // that is done of what the drive is at; 0 when it does not tell
	Descriptors    []byte  // of descriptor format
}

// ErrSense says that sense data cannot be read.
var ErrSense = errors.New("the sense data cannot be read")

// ParseSense reads sense data in fixed or descriptor format.
func ParseSense(b []byte) (Sense, error) {
	if len(b) < 8 {
		return Sense{}, ErrSense
	}
	switch b[0] & 0x7F {
	case 0x70, 0x71:
		s := Sense{Key: b[2] & 0x0F}
		if len(b) >= 14 {
			s.ASC, s.ASCQ = b[12], b[13]
		}
		if len(b) >= 18 && b[15]&0x80 != 0 && (s.Key == KeyNone || s.Key == KeyNotReady) {
			s.Share = share(b[16:])
		}
		return s, nil
	case 0x72, 0x73:
		s := Sense{Key: b[1] & 0x0F, ASC: b[2], ASCQ: b[3]}
		s.Descriptors = b[8:min(len(b), 8+int(b[7]))]
		if d := s.Descriptor(0x02); len(d) >= 7 && d[4]&0x80 != 0 && (s.Key == KeyNone || s.Key == KeyNotReady) {
			s.Share = share(d[5:])
		}
		return s, nil
	}
	return Sense{}, ErrSense
}

func share(b []byte) float64 { return float64(uint16(b[0])<<8|uint16(b[1])) / 65536 }

// Descriptor is the first descriptor of a type, with its header; nil when there is none.
func (s Sense) Descriptor(kind byte) []byte {
	for d := s.Descriptors; len(d) >= 2; {
		n := 2 + int(d[1])
		if n > len(d) {
			return nil
		}
		if d[0] == kind {
			return d[:n]
		}
		d = d[n:]
	}
	return nil
}

func (s Sense) Error() string {
	switch {
	case s.Key == KeyIllegal && s.ASC == 0x20:
		return "the drive answers: invalid command"
	case s.Key == KeyIllegal && s.ASC == 0x24:
		return "the drive answers: invalid field in the command"
	case s.sanitizing():
		return "the drive answers: a sanitize is in progress"
	case s.ASC == 0x31 && s.ASCQ == 0x03:
		return "the drive answers: the sanitize failed"
	}
	return fmt.Sprintf("the drive answers sense key %X, code %02X/%02X", s.Key, s.ASC, s.ASCQ)
}

func (s Sense) sanitizing() bool { return s.Key == KeyNotReady && s.ASC == 0x04 && s.ASCQ == 0x1B }

// mostNews is how many news a drive may have to tell one after the other.
const mostNews = 8

// Patient repeats a command that a drive has not carried out because it had news to tell first: a unit attention, as after a
// reset of its bus.
func Patient(send Send) Send {
	return func(c Command) (raw []byte, err error) {
		for range mostNews {
			if raw, err = send(c); err != nil || raw == nil {
				return raw, err
			}
			if s, err := ParseSense(raw); err != nil || s.Key != KeyAttention {
				break
			}
		}
		return raw, err
	}
}

// do sends a command and makes an error of anything but success.
func do(send Send, c Command) error {
	raw, err := send(c)
	if err != nil || raw == nil {
		return err
	}
	s, err := ParseSense(raw)
	if err != nil {
		return err
	}
	if s.Key == KeyNone || s.Key == KeyRecovered {
		return nil
	}
	return s
}
