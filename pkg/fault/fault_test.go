package fault

import (
	"context"
	"errors"
	"fmt"
	"testing"
)

func TestX13_CheckTellsEveryFieldAtOnce(t *testing.T) {
	var c Check
	c.Require(true, "fine", "never said")
	c.Require(false, "diagtimeout", "is 0; use whole minutes from 1 to 720")
	c.Add("name", "is empty")
	err := c.Err("the module cannot be saved")
	f := From(err)
	if f.Kind != KindInvalid || len(f.Fields) != 2 || f.Fields[1].Name != "name" {
		t.Fatalf("got %+v", f)
	}
	if want := "the module cannot be saved: diagtimeout is 0; use whole minutes from 1 to 720; name is empty"; err.Error() != want {
		t.Fatalf("got %q\nwant %q", err, want)
	}
	var none Check
	if none.Err("x") != nil {
		t.Fatal("an empty check is an error")
	}
}

func TestKindSurvivesWrapping(t *testing.T) {
	cause := errors.New("dial refused")
	err := fmt.Errorf("reserve server a: %w", Unavailable("etcd: %w", cause))
	if !Is(err, KindUnavailable) || !errors.Is(err, cause) {
		t.Fatalf("kind %s, cause lost: %v", KindOf(err), err)
	}
	if f := From(err); f.Kind != KindUnavailable || f.Message != "reserve server a: etcd: dial refused" {
		t.Fatalf("got %+v", f)
	}
	if KindOf(context.DeadlineExceeded) != KindUnavailable || KindOf(cause) != KindInternal || KindOf(nil) != "" {
		t.Fatal("kinds of plain errors")
	}
}
