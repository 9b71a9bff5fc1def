package gateway

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"time"

	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/logging"
	"github.com/steelyard/steelyard/protocol"
	"github.com/steelyard/steelyard/protocol/session"
)

// chunk is what is read from an image file and written to an agent at a time, each
// within chunkTimeout.
const (
	chunk        = 128 << 10
	chunkTimeout = 30 * time.Second
)

// stream answers one Fetch with the bytes of an image file and closes.
func (g *Gateway) stream(ctx context.Context, raw *tls.Conn, cert *x509.Certificate) {
	conn := session.NewConn(raw, handshakeTimeout)
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	defer func() { _ = conn.Close() }()
	file, size, err := g.open(conn, cert)
	if err != nil {
		g.note(err)
		if conn.Send(protocol.KindFetchReply, &protocol.FetchReply{Fault: fault.From(err)}) == nil {
			conn.Drain()
		}
		return
	}
	defer func() { _ = file.Close(); <-g.bulk }()
	if conn.Send(protocol.KindFetchReply, &protocol.FetchReply{Bytes: size}) != nil {
		return
	}
	if err := g.pump(raw, file, size); err != nil {
		g.log.Warn("image stream broke off", logging.KeyRemote, host(raw.RemoteAddr()), logging.KeyError, err)
		return
	}
	conn.Drain()
}

// open checks who asks for what. With the file it hands over a place in g.bulk.
func (g *Gateway) open(conn *session.Conn, cert *x509.Certificate) (io.ReadCloser, uint64, error) {
	srv, err := g.caller(cert)
	if err != nil {
		return nil, 0, err
	}
	if srv.Approval != fleet.Approved {
		return nil, 0, fault.Denied("server %s is not approved; it gets no images", srv.ID)
	}
	var f protocol.Fetch
	if err := conn.Expect(protocol.KindFetch, &f); err != nil {
		return nil, 0, err
	}
	select {
	case g.bulk <- struct{}{}:
	default:
		return nil, 0, fault.Unavailable("%d image streams are open; try again", cap(g.bulk))
	}
	file, size, err := g.seek(f)
	if err != nil {
		<-g.bulk
	}
	return file, size, err
}

// seek opens the file at the offset and returns how many bytes follow.
func (g *Gateway) seek(f protocol.Fetch) (io.ReadCloser, uint64, error) {
	file, size, err := g.opt.Images.Open(f.FileSHA256)
	if err != nil {
		return nil, 0, err
	}
	if f.Offset > uint64(size) {
		_ = file.Close()
		return nil, 0, fault.Invalid("offset %d lies behind the end of the file, which has %d bytes", f.Offset, size)
	}
	if _, err := file.Seek(int64(f.Offset), io.SeekStart); err != nil {
		_ = file.Close()
		return nil, 0, fault.Unavailable("seek in image file: %w", err)
	}
	return file, uint64(size) - f.Offset, nil
}

// pump copies exactly size bytes; each chunk has its own deadline.
func (g *Gateway) pump(to *tls.Conn, from io.Reader, size uint64) error {
	buf := make([]byte, chunk)
	for left := size; left > 0; {
		n, err := io.ReadFull(from, buf[:min(uint64(len(buf)), left)])
		if err != nil {
			return fault.Internal("the image file is shorter than its size: %w", err)
		}
		if err := to.SetWriteDeadline(time.Now().Add(chunkTimeout)); err != nil {
			return err
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return err
		}
		g.count.bulk.Add(uint64(n))
		left -= uint64(n)
	}
	return nil
}
