package scan

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// errLarge is said by clamd of a mail that it does not take (StreamMaxLength).
var errLarge = errors.New("larger than clamd takes")

// slow is how long clamd may take for one write or its verdict.
const slow = 5 * time.Minute

// stream is a mail on its way through clamd.
type stream struct{ conn net.Conn }

// Ask sends a command to clamd ("VERSION", "PING") and returns its answer.
func Ask(socket, command string) (string, error) {
	conn, err := net.DialTimeout("unix", socket, 5*time.Second)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := conn.Write([]byte("z" + command + "\x00")); err != nil {
		return "", err
	}
	text, err := bufio.NewReader(io.LimitReader(conn, 4096)).ReadString(0)
	return strings.TrimSuffix(text, "\x00"), err
}

func open(socket string) (*stream, error) {
	conn, err := net.DialTimeout("unix", socket, 10*time.Second)
	if err != nil {
		return nil, err
	}
	_ = conn.SetDeadline(time.Now().Add(slow))
	if _, err := conn.Write([]byte("zINSTREAM\x00")); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return &stream{conn}, nil
}

func (s *stream) close() { _ = s.conn.Close() }

func (s *stream) write(data []byte) error {
	_ = s.conn.SetDeadline(time.Now().Add(slow))
	_, err := s.conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(data))), data...))
	return err
}

// verdict is the name of what was found; "" nothing.
func (s *stream) verdict() (string, error) {
	_ = s.conn.SetDeadline(time.Now().Add(slow))
	_, sent := s.conn.Write(make([]byte, 4)) // fails when clamd said before that it takes no more
	answer, err := bufio.NewReader(io.LimitReader(s.conn, 4096)).ReadString(0)
	text := strings.TrimSuffix(strings.TrimSuffix(answer, "\x00"), "\n")
	switch {
	case strings.Contains(text, "size limit exceeded"):
		return "", errLarge
	case err != nil:
		return "", errors.Join(sent, err)
	case text == "stream: OK":
		return "", nil
	case strings.HasSuffix(text, " FOUND"):
		return strings.TrimSuffix(strings.TrimPrefix(text, "stream: "), " FOUND"), nil
	}
	return "", fmt.Errorf("clamd says %.100q", text)
}
