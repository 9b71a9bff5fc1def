package rescue

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/steelyard/steelyard/pkg/pause"
)

// Bounds of those who come.
const (
	maxPeople   = 16
	maxStarting = 32 // who have not shown a key yet
	maxShells   = 8  // of one connection
	loginWithin = 30 * time.Second
	askEvery    = 30 * time.Second // whether somebody is still there
	answerIn    = 60 * time.Second
)

// room is who may come in, and who is there.
type room struct {
	mu       sync.Mutex
	host     ssh.Signer
	keys     map[string]bool
	people   int
	starting map[net.Conn]bool
}

func (r *room) admit(host ssh.Signer, keys map[string]bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.host, r.keys = host, keys
}

// errStranger is all that somebody without a key learns.
var errStranger = errors.New("this key may not come in")

// config is the server's side of a login.
func (r *room) config() *ssh.ServerConfig {
	r.mu.Lock()
	defer r.mu.Unlock()
	keys := r.keys
	c := &ssh.ServerConfig{
		MaxAuthTries: 12, ServerVersion: "SSH-2.0-Steelyard-rescue",
		PublicKeyCallback: func(meta ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			if meta.User() != "root" || !keys[string(key.Marshal())] {
				return nil, errStranger
			}
			return &ssh.Permissions{Extensions: map[string]string{"key": ssh.FingerprintSHA256(key)}}, nil
		},
	}
	c.AddHostKey(r.host)
	return c
}

// enter notes a connection that begins. Where there are too many, one of them, any, makes room.
func (r *room) enter(c net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.starting == nil {
		r.starting = map[net.Conn]bool{}
	}
	if len(r.starting) >= maxStarting {
		for other := range r.starting {
			_ = other.Close()
			delete(r.starting, other)
			break
		}
	}
	r.starting[c] = true
}

// come makes a connection that has logged in one of the people; false: there are enough.
func (r *room) come(c net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.starting, c)
	if r.people >= maxPeople {
		return false
	}
	r.people++
	return true
}

func (r *room) leave() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.people--
}

func (r *room) gone(c net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.starting, c)
}

// serve takes connections until ctx ends.
func (r *Rescue) serve(ctx context.Context, l net.Listener) {
	var work sync.WaitGroup
	defer work.Wait()
	defer context.AfterFunc(ctx, func() { _ = l.Close() })()
	for {
		raw, err := l.Accept()
		switch {
		case err == nil:
			r.room.enter(raw)
			work.Go(func() { r.receive(ctx, raw) })
		case errors.Is(err, net.ErrClosed):
			return
		case pause.For(ctx, time.Second) != nil: // out of descriptors or memory: it passes
			_ = l.Close()
			return
		}
	}
}

// receive lets one in, or not.
func (r *Rescue) receive(ctx context.Context, raw net.Conn) {
	defer func() { _ = raw.Close() }()
	defer r.room.gone(raw)
	defer context.AfterFunc(ctx, func() { _ = raw.Close() })()
	if raw.SetDeadline(time.Now().Add(loginWithin)) != nil {
		return
	}
	conn, channels, requests, err := ssh.NewServerConn(raw, r.room.config())
	if err != nil {
		r.opt.Logger.Debug("nobody was let in", "remote", raw.RemoteAddr(), "error", err)
		return
	}
	defer func() { _ = conn.Close() }()
	if !r.room.come(raw) {
		r.opt.Logger.Warn("there are too many people in the rescue", "remote", raw.RemoteAddr())
		return
	}
	defer r.room.leave()
	if raw.SetDeadline(time.Time{}) != nil { // from here on it is asked whether it is there
		return
	}
	r.opt.Logger.Warn("the customer is in", "remote", raw.RemoteAddr(), "key", conn.Permissions.Extensions["key"])
	r.host(ctx, conn, channels, requests)
	r.opt.Logger.Info("the customer left", "remote", raw.RemoteAddr())
}

// host serves one who is in, until he leaves.
func (r *Rescue) host(ctx context.Context, conn *ssh.ServerConn, channels <-chan ssh.NewChannel, requests <-chan *ssh.Request) {
	ctx, cancel := context.WithCancel(ctx)
	var work sync.WaitGroup
	defer work.Wait()
	defer cancel()
	work.Go(func() { ssh.DiscardRequests(requests) })
	work.Go(func() { there(ctx, conn) })
	shells := make(chan struct{}, maxShells)
	for c := range channels {
		if c.ChannelType() != "session" {
			_ = c.Reject(ssh.Prohibited, "this is a rescue system: shells and commands, and no forwarding")
			continue
		}
		select {
		case shells <- struct{}{}:
		default:
			_ = c.Reject(ssh.ResourceShortage, "too many shells on one connection")
			continue
		}
		channel, asked, err := c.Accept()
		if err != nil {
			<-shells
			continue
		}
		work.Go(func() {
			defer func() { <-shells }()
			(&visit{channel: channel, program: r.opt.Program}).serve(asked)
		})
	}
}

// there ends a connection whose other end answers no more.
func there(ctx context.Context, conn *ssh.ServerConn) {
	for pause.For(ctx, askEvery) == nil {
		late := time.AfterFunc(answerIn, func() { _ = conn.Close() })
		_, _, err := conn.SendRequest("keepalive@openssh.com", true, nil)
		late.Stop()
		if err != nil {
			return
		}
	}
}
