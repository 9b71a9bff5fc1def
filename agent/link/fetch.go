package link

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"time"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
	"github.com/steelyard/steelyard/protocol/session"
)

// bulkTimeout is how long a download may stand still.
const bulkTimeout = 30 * time.Second

// Fetch opens the image file with the given digest (hexadecimal SHA-256 of the file) at an offset, and
// returns how many bytes follow. Reading ends with io.EOF after exactly so many, with
// another error otherwise, also when nothing arrives for half a minute. The bytes are
// not checked here. The connection is of its own, so that a download never delays a
// heartbeat; it ends with ctx or Close.
func (l *Link) Fetch(ctx context.Context, fileSHA256 string, offset uint64) (io.ReadCloser, uint64, error) {
	id := l.identity()
	if id == nil {
		return nil, 0, fault.Unavailable("the agent has not enrolled yet")
	}
	raw, err := l.dial(ctx, session.ControlTLS(protocol.ALPNBulk, id.cert, id.authority, &l.tickets))
	if err != nil {
		return nil, 0, err
	}
	conn := session.NewConn(raw, bulkTimeout)
	d := &download{raw: raw, stop: context.AfterFunc(ctx, func() { _ = raw.Close() })}
	var reply protocol.FetchReply
	err = conn.Send(protocol.KindFetch, &protocol.Fetch{FileSHA256: fileSHA256, Offset: offset})
	if err == nil {
		err = conn.Expect(protocol.KindFetchReply, &reply)
	}
	if err == nil && reply.Fault != nil {
		err = reply.Fault
	}
	if err != nil {
		_ = d.Close()
		return nil, 0, err
	}
	d.left = reply.Bytes
	return d, reply.Bytes, nil
}

// download reads the bytes after the FetchReply.
type download struct {
	raw  *tls.Conn
	stop func() bool
	left uint64
}

// Read implements io.Reader.
func (d *download) Read(p []byte) (int, error) {
	if d.left == 0 {
		return 0, io.EOF
	}
	if err := d.raw.SetReadDeadline(time.Now().Add(bulkTimeout)); err != nil {
		return 0, fault.Unavailable("download the image: %w", err)
	}
	n, err := d.raw.Read(p[:min(uint64(len(p)), d.left)])
	d.left -= uint64(n)
	if errors.Is(err, io.EOF) && d.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	if err != nil && d.left > 0 {
		return n, fault.Unavailable("download the image: %d bytes are missing: %w", d.left, err)
	}
	return n, nil
}

// Close ends the download.
func (d *download) Close() error {
	d.stop()
	return d.raw.Close()
}
