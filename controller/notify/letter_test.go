package notify

import (
	"context"
	"io"
	"log/slog"
	"mime/quotedprintable"
	"net/mail"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/steelyard/steelyard/controller/core/notify"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/seal"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/logging"
)

var welcome = intake.Letter{To: "kim@fleet.test", Subject: "Your sign-up\r\nBcc: all@fleet.test", Body: "It will be activated. Grüße"}

func (w *world) post(l intake.Letter) {
	w.t.Helper()
	w.change(func(tx *store.Tx) error { return intake.Post(tx, l, time.Now()) })
}

// sealText seals the text of the one letter there is, as intake does for one with a secret.
func (w *world) sealText(until time.Time) {
	w.t.Helper()
	w.change(func(tx *store.Tx) error {
		for i := range store.Letters.Items(w.store.Snapshot()) {
			l := notify.Letter{Until: until}
			if err := seal.LetterText.Set(tx, w.ring, i.ID, &l, logging.Secret(i.Value.Body)); err != nil {
				return err
			}
			return store.Letters.Put(tx, i.ID, l)
		}
		return nil
	})
}

func (w *world) letters() int { synctest.Wait(); return store.Letters.Len(w.store.Snapshot()) }

func TestH12_LetterArrivesAtARealServer(t *testing.T) {
	for _, sealed := range []bool{false, true} {
		p := newPost(t, notify.StartTLS, map[bool]string{false: "127.83.7.6", true: "127.83.7.7"}[sealed])
		p.post(welcome)
		if sealed {
			p.sealText(time.Time{})
		}
		p.n = New(Options{Store: p.store, Secrets: p.ring, Logger: slog.New(slog.DiscardHandler), Now: time.Now, Version: "test", Roots: p.roots})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- p.n.Run(ctx, store.Fence{}) }()
		got := p.next()
		msg, err := mail.ReadMessage(strings.NewReader(got.Text))
		must(t, err)
		body, err := io.ReadAll(quotedprintable.NewReader(msg.Body))
		must(t, err)
		if len(got.To) != 1 || got.To[0] != "kim@fleet.test" || msg.Header.Get("Bcc") != "" || msg.Header.Get("Subject") != "Your sign-up Bcc: all@fleet.test" {
			t.Errorf("the server took %+v", got)
		}
		if strings.TrimSpace(string(body)) != welcome.Body {
			t.Errorf("the body is %q", body)
		}
		for deadline := time.Now().Add(30 * time.Second); store.Letters.Len(p.store.Snapshot()) > 0; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("the text is kept after the letter was taken")
			}
		}
		cancel()
		<-ended
	}
}

// A letter is tried again like any mail, and when it is given up its text waits for a person: unless that
// holds a secret, which is then gone.
func TestX9_TextOfALetterIsKeptOnlyAsLongAsItIsOfUse(t *testing.T) {
	for _, sealed := range []bool{false, true} {
		inWorld(t, func(w *world) {
			w.answers(away)
			w.stop()
			w.post(welcome)
			if sealed {
				w.sealText(time.Time{})
			}
			w.lead(store.Fence{})
			if w.letters() != 1 || len(w.arrived()) != 1 {
				t.Fatalf("after the first attempt: %d texts", w.letters())
			}
			time.Sleep(50 * time.Hour)
			if got := w.only(); got.State != notify.Dead || got.Attempts != notify.MaxAttempts {
				t.Fatalf("%+v", got)
			}
			if (w.letters() == 0) != sealed {
				t.Errorf("sealed %v: %d texts are kept", sealed, w.letters())
			}
			w.answers(takes)
			_, err := w.intake.Redeliver(w.t.Context(), ann, w.only().ID, "")
			if sealed {
				if err == nil || !strings.Contains(err.Error(), "not kept") {
					t.Errorf("a letter without text was sent again: %v", err)
				}
				return
			}
			must(t, err)
			if w.arrived(); w.only().State != notify.Delivered || w.letters() != 0 {
				t.Errorf("sent again: %+v, %d texts", w.only(), w.letters())
			}
			time.Sleep(notify.KeepDelivered + 11*time.Minute)
			if got := w.deliveries(); len(got) != 0 {
				t.Errorf("what was taken is still listed: %v", got)
			}
		})
	}
}

// The text of a letter that cannot be sent: no server (it waits), too late, not there.
func TestH12_LetterThatCannotBeSentSaysWhy(t *testing.T) {
	inWorld(t, func(w *world) {
		m := &mailer{Options{Store: w.store, Secrets: w.ring, Logger: slog.New(slog.DiscardHandler), Now: time.Now}}
		w.stop()
		late := welcome
		late.Until = time.Now()
		w.post(late)
		d := w.only()
		if o := m.attempt(w.t.Context(), d); o.OK || o.Permanent || !strings.Contains(o.Error, "no mail server") {
			t.Errorf("without a mail server: %+v", o)
		}
		server := intake.MailDraft{Host: "mail.fleet.test", Port: 25, Security: notify.Plain, From: "a@fleet.test"}
		if _, err := w.intake.SetMail(w.t.Context(), ann, server); err != nil || !w.intake.MailSet() {
			t.Fatal(err)
		}
		if o := m.attempt(w.t.Context(), d); !o.Permanent || !strings.Contains(o.Error, "in time") {
			t.Errorf("too late: %+v", o)
		}
		w.change(func(tx *store.Tx) error { return store.Letters.Delete(tx, d.ID) })
		if o := m.attempt(w.t.Context(), d); !o.Permanent || !strings.Contains(o.Error, "not kept") {
			t.Errorf("no text: %+v", o)
		}
		if _, err := w.store.Change(w.t.Context(), func(tx *store.Tx) error {
			return intake.Post(tx, intake.Letter{To: "nobody"}, time.Now())
		}); err == nil {
			t.Error("a letter to no address was posted")
		}
	})
}
