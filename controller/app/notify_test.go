package app

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/task"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/store"
)

// A controller over a real etcd tells a receiver of what was committed.
func TestX6_AControllerTellsItsWebhooks(t *testing.T) {
	heard := make(chan string, 10)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		heard <- r.Header.Get("webhook-id")
		w.WriteHeader(http.StatusNoContent)
	}))
	defer receiver.Close()
	c, err := Open(t.Context(), options(t, t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	if err := c.Store.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	admin := access.Actor{Name: "ann", Role: access.RoleAdmin}
	if err := c.Intake.ChangeSettings(ctx, admin, store.FleetSetting{WebhookPrivateTargets: true}); err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := c.Intake.CreateWebhook(ctx, admin, intake.WebhookDraft{Name: "here", URL: receiver.URL, Events: []string{"task.*"}}); err != nil {
		t.Fatal(err)
	}
	_, err = c.Store.Change(ctx, func(tx *store.Tx) error {
		return store.Tasks.Put(tx, "tsk-1", task.Task{ID: "tsk-1", State: task.Open})
	})
	if err != nil {
		t.Fatal(err)
	}
	select {
	case id := <-heard:
		if len(id) < 10 {
			t.Errorf("the event's id is %q", id)
		}
	case <-ctx.Done():
		t.Fatal("nothing was told")
	}
}
