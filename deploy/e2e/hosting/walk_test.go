package hosting

import (
	"testing"

	"github.com/steelyard/steelyard/agent/hosting/hostingtest"
)

func TestC9_C12_AnAccountFromTheOrderToNothingLeft(t *testing.T) {
	if hostingtest.Alone(t) {
		return
	}
	w := newWorld(t)
	t.Log(w.cli("server", "list"))
}
