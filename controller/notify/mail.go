package notify

import (
	"context"
	"crypto/tls"
	"errors"
	"net"

	"github.com/wneessen/go-mail"

	"github.com/steelyard/steelyard/controller/core/notify"
	"github.com/steelyard/steelyard/controller/seal"
	"github.com/steelyard/steelyard/controller/store"
)

// mailer delivers mails. A connection carries one mail: there are few of them, and
// nothing is left to look after.
type mailer struct{ Options }

func (m *mailer) attempt(ctx context.Context, d notify.Delivery) notify.Outcome {
	server, ok := store.MailServers.View(m.Store, store.TheMailServer)
	if !ok || server.Host == "" {
		// a letter is somebody's, and waits; what is told to those who follow the fleet does not
		return notify.Outcome{Permanent: d.Event.Type != notify.ToOne, Error: "no mail server is set; see: steelyard mail"}
	}
	letter, over := m.write(server, d)
	if over != nil {
		return *over
	}
	err := m.send(ctx, server, letter)
	if letter.IsDelivered() {
		return notify.Outcome{OK: true, Status: 250} // whatever happened to the connection afterwards
	}
	return refusal(err)
}

// refusal tells what the error of a mail that was not taken means. The server's 5xx about this
// mail is final (RFC 5321, 4.2.1); all else, a wrong password too, may be repaired meanwhile.
func refusal(err error) notify.Outcome {
	o := notify.Outcome{Error: "the mail server did not take it"}
	if err != nil {
		o.Error += ": " + err.Error()
	}
	if e, ok := errors.AsType[*mail.SendError](err); ok {
		o.Status = e.ErrorCode()
		o.Permanent = 500 <= o.Status && o.Status <= 599
	}
	return o
}

// write makes the mail, or tells why there is none to send.
func (m *mailer) write(server *notify.MailServer, d notify.Delivery) (*mail.Msg, *notify.Outcome) {
	subject, text := d.Event.Subject(), ""
	if d.Event.Type == notify.ToOne {
		var over *notify.Outcome
		if text, over = m.letter(d); over != nil {
			return nil, over
		}
		subject = d.Event.Data.Subject
	} else {
		text = d.Event.Letter(server.BaseURL)
	}
	msg := mail.NewMsg(mail.WithNoDefaultUserAgent())
	if err := errors.Join(msg.From(server.From), msg.To(d.To)); err != nil {
		return nil, &notify.Outcome{Permanent: true, Error: err.Error()}
	}
	msg.Subject(subject)
	msg.SetDateWithValue(d.Event.At)
	msg.SetMessageIDWithValue(d.ID + "@" + domain(server.From))
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: no vacation replies
	msg.SetBodyString(mail.TypeTextPlain, text)
	return msg, nil
}

// letter is the text of a letter. What cannot be opened now may be opened by a controller that has the fleet's
// authority.
func (m *mailer) letter(d notify.Delivery) (string, *notify.Outcome) {
	l, ok := store.Letters.View(m.Store, d.ID)
	switch {
	case !ok:
		return "", &notify.Outcome{Permanent: true, Error: "its text is not kept any more"}
	case !l.Until.IsZero() && !m.Now().Before(l.Until):
		return "", &notify.Outcome{Permanent: true, Error: "it could not be sent in time, and is of no use any more"}
	case l.Text.IsZero():
		return l.Body, nil
	}
	text, err := seal.LetterText.Open(m.Secrets, d.ID, l)
	if err != nil {
		return "", &notify.Outcome{Error: err.Error()}
	}
	return string(text), nil
}

func domain(address string) string {
	for i := len(address) - 1; i >= 0; i-- {
		if address[i] == '@' {
			return address[i+1:]
		}
	}
	return address
}

func (m *mailer) send(ctx context.Context, server *notify.MailServer, msg *mail.Msg) error {
	opts, err := m.options(server)
	if err != nil {
		return err
	}
	whole, cancel := context.WithTimeout(ctx, 3*attemptTime)
	defer cancel()
	opts = append(opts, mail.WithDialContextFunc(func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := m.dial(ctx, server, network, address)
		if err == nil {
			// when we are called off, and at the end: the library leaves it open when the greeting fails
			context.AfterFunc(whole, func() { _ = conn.Close() })
		}
		return conn, err
	}))
	client, err := mail.NewClient(server.Host, opts...)
	if err != nil {
		return err
	}
	return client.DialAndSendWithContext(whole, msg)
}

func (m *mailer) dial(ctx context.Context, server *notify.MailServer, network, address string) (net.Conn, error) {
	d := &net.Dialer{Timeout: connectTime}
	if server.Security == notify.TLS {
		return (&tls.Dialer{NetDialer: d, Config: m.tls(server)}).DialContext(ctx, network, address)
	}
	return d.DialContext(ctx, network, address)
}

func (m *mailer) tls(server *notify.MailServer) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: m.Roots, ServerName: server.Host}
}

func (m *mailer) options(server *notify.MailServer) ([]mail.Option, error) {
	opts := []mail.Option{mail.WithPort(server.Port), mail.WithTimeout(attemptTime), mail.WithTLSConfig(m.tls(server))}
	switch server.Security {
	case notify.TLS:
		opts = append(opts, mail.WithSSL())
	case notify.StartTLS:
		opts = append(opts, mail.WithTLSPolicy(mail.TLSMandatory))
	default:
		opts = append(opts, mail.WithTLSPolicy(mail.NoTLS))
	}
	if server.User == "" {
		return opts, nil
	}
	password, err := seal.MailPassword.Open(m.Secrets, store.TheMailServer, server)
	if err != nil {
		return nil, err
	}
	return append(opts, mail.WithUsername(server.User), mail.WithPassword(string(password)),
		mail.WithOpportunisticSMTPAuth(mail.SMTPAuthSCRAMSHA256, mail.SMTPAuthPlain, mail.SMTPAuthLogin)), nil
}
