package cli

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func orderAnswer(state, message, rest string) answer {
	return ok(`{"id":"ord-0000000000000001","state":"` + state + `","message":"` + message + `","service":"svc-1"` + rest + `}`)
}

const steps = `{"id":"opn-0000000000000001","state":"running","current":1,"message":"m","steps":[
 {"name":"erase","state":"done"},{"name":"image","state":"sent"},{"name":"confirm","state":"pending"}],
 "progress":{"done":45,"total":100,"unit":"bytes","note":"writing"}}`

func TestB1_WaitFollowsAnOrderUntilActive(t *testing.T) {
	f := newFake(t).on("POST /v1/orders", orderAnswer("new", "waiting to be matched", "")).
		on("GET /v1/orders/ord-0000000000000001", orderAnswer("new", "waiting to be matched", ""),
			orderAnswer("preparing", "web1 is prepared", `,"operation":"opn-0000000000000001"`), orderAnswer("fulfilled", "active", `,"operation":"opn-0000000000000001","server":"web1"`)).
		on("GET /v1/operations/opn-0000000000000001", ok(steps), ok(strings.Replace(steps, `"sent"`, `"done"`, 1)))
	args := []string{"order", "place", "--tariff", "tar-0000000000000001", "--image", "img-0000000000000001", "--customer", "me", "--hostname", "h.example.net", "--wait"}
	r := f.steelyard(t, args...)
	at := clock.Local().Format("15:04:05")
	want := strings.ReplaceAll("AT  new, waiting to be matched\nAT  preparing, web1 is prepared\nAT  erase: done\nAT  image: sent 40 %, writing\nAT  image: done, writing\nAT  fulfilled, active\n", "AT", at)
	r.want(t, done, "ID\tSTATE\tSERVER\tSERVICE\nord-0000000000000001\tfulfilled\tweb1\tsvc-1\n", want)
	if sent := body(t, f.got[0].body); sent["customer"] != "me" || sent["tariff"] != "tar-0000000000000001" {
		t.Errorf("sent %v", sent)
	}
}

func TestFollowFailsAsTheOrderDoes(t *testing.T) {
	f := newFake(t).on("GET /v1/orders/ord-0000000000000001", orderAnswer("failed", "the disk died", ""))
	f.steelyard(t, "order", "watch", "ord-0000000000000001").contains(t, failed, "", "order ord-0000000000000001 failed: the disk died")
	f.steelyard(t, "order", "watch", "ord-0000000000000001", "-o", "json").contains(t, failed, `"state":"failed"`, "the disk died")
}

func TestFollowEndsWithItsTime(t *testing.T) {
	f := newFake(t).on("GET /v1/operations/opn-0000000000000001", ok(steps))
	start := time.Now()
	r := f.steelyard(t, "operation", "watch", "opn-0000000000000001", "--timeout", "50ms")
	r.contains(t, failed, "", "it goes on without you")
	if time.Since(start) > 10*time.Second {
		t.Error("the time was not kept")
	}
}

func TestOperationIsFollowedToItsEnd(t *testing.T) {
	f := newFake(t).on("POST /v1/servers/"+srv+"/operations", ok(`{"id":"opn-0000000000000001","kind":"diagnose"}`)).
		on("GET /v1/operations/opn-0000000000000001", ok(steps), ok(strings.Replace(steps, `"running"`, `"done"`, 1)))
	f.steelyard(t, "server", "diagnose", srv, "--wait").contains(t, done, "opn-0000000000000001\tdone", "erase: done")
}

func TestBarsTellStatesInWords(t *testing.T) {
	var out bytes.Buffer
	b := newBars(&out, 80, false)
	b.show("preparing", []stage{{name: "erase", state: "done"}, {name: "image", state: "sent", done: 1 << 20, total: 4 << 20, bytes: true, note: "writing"}, {name: "confirm", state: "pending"}})
	time.Sleep(300 * time.Millisecond) // the bars draw themselves five times a second
	b.show("preparing", []stage{{name: "image", state: "failed", note: "the disk died"}})
	b.close()
	text := out.String()
	for _, want := range []string{"preparing", "erase", "image, writing", "1.05MB", "image, the disk died", "fail!"} {
		if !strings.Contains(text, want) {
			t.Errorf("the bars lack %q: %q", want, text)
		}
	}
	if strings.Contains(text, "\x1b[3") || strings.Contains(text, "confirm") {
		t.Errorf("colour without asking, or a step that did not begin: %q", text)
	}
}

func TestNoColourOnlyInformation(t *testing.T) {
	rows := [][]string{{"web1", "no"}, {"a\x1b[2Jb", "yes"}}
	plain, coloured := aligned([]string{"NAME", "AVAILABLE"}, rows, 40, false), aligned([]string{"NAME", "AVAILABLE"}, rows, 40, true)
	if strings.Contains(plain, "\x1b") {
		t.Errorf("NO_COLOR is not honoured: %q", plain)
	}
	if plain != "NAME   AVAILABLE\nweb1   no\na[2Jb  yes" {
		t.Errorf("table %q", plain)
	}
	bare := strings.NewReplacer("\x1b[1m", "", "\x1b[0m", "").Replace(coloured)
	if strings.Join(strings.Fields(bare), " ") != strings.Join(strings.Fields(plain), " ") || bare == coloured {
		t.Errorf("colour adds or loses words: %q", coloured)
	}
}

func TestImageIsUploaded(t *testing.T) {
	file := filepath.Join(t.TempDir(), "debian-12.raw.zst")
	if err := os.WriteFile(file, []byte("\x28\xb5\x2f\xfdimage bytes"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := newFake(t).on("POST /v1/images", ok(`{"id":"img-0000000000000001","name":"debian-12"}`))
	f.steelyard(t, "image", "import", file).contains(t, done, "image debian-12 (img-0000000000000001) imported\n", "upload: send")
	got := f.got[0]
	if got.body != "\x28\xb5\x2f\xfdimage bytes" || got.query != "format=raw.zst&name=debian-12&os_family=linux" || got.header.Get("Content-Length") != "15" || got.header.Get("Idempotency-Key") == "" {
		t.Errorf("sent %+v", got)
	}
	f.on("POST /v1/images", problem(422, "invalid", "the image is cut off"))
	f.steelyard(t, "image", "import", file).contains(t, failed, "", "the image is cut off")
	f.steelyard(t, "image", "import", file+".none").contains(t, failed, "", "no such file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f.steelyard(t, "image", "import", file).contains(t, failed, "", "is no file with an image in it")
}

func TestEventsGoOnWhereTheyBroke(t *testing.T) {
	stream := func(text string) answer {
		return answer{200, text, map[string]string{"Content-Type": "text/event-stream"}}
	}
	f := newFake(t).on("GET /v1/events",
		stream(": hello\n\nid: 7\nevent: change\ndata: {\"type\":\"changed\",\"rev\":7,\"table\":\"orders\",\"id\":\"o-1\",\ndata: \"object\":{\"state\":\"new\"}}\n\n"),
		stream("event: change\ndata: {\"type\":\"changed\",\"rev\":9,\"table\":\"tasks\",\"id\":\"t-0\"}\n\nid: 9\nevent: change\ndata: {\"type\":\"deleted\",\"rev\":9,\"table\":\"tasks\",\"id\":\"t-1\"}\n\nid: 10\ndata: {\"half"),
		problem(http.StatusUnauthorized, "login_required", "the token has expired"))
	r := f.steelyard(t, "events", "--tables", "orders,tasks", "--from", "3")
	r.contains(t, failed, "7\tchanged\torders/o-1\tnew\n9\tchanged\ttasks/t-0\t\n9\tdeleted\ttasks/t-1\t\n", "the token has expired")
	for i, want := range []string{"3", "7", "9"} {
		if got := f.got[i].header.Get("Last-Event-ID"); got != want {
			t.Errorf("connection %d asked for what follows %q, want %q", i, got, want)
		}
	}
	if f.got[0].query != "tables=orders%2Ctasks" {
		t.Errorf("query %q", f.got[0].query)
	}
}
