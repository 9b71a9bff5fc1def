package metrics

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/core/fleet"
)

const rules = "../../deploy/prometheus"

// program finds a program of the Debian package prometheus. In CI its absence is
// a failure: nothing there may go unchecked.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	switch {
	case err == nil:
	case os.Getenv("CI") == "true":
		t.Fatalf("%s is missing: apt-get install prometheus", name)
	default:
		t.Skipf("%s is missing: apt-get install prometheus", name)
	}
	return path
}

func promtool(t *testing.T, stdin string, args ...string) {
	t.Helper()
	cmd := exec.Command(program(t, "promtool"), args...)
	cmd.Stdin = strings.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func TestU10_PromtoolAcceptsTheMetrics(t *testing.T) {
	var own strings.Builder // promtool also judges names of the Go collector, which are not ours
	for line := range strings.Lines(everyText(t)) {
		if strings.Contains(line, "steelyard_") {
			own.WriteString(line)
		}
	}
	promtool(t, own.String(), "check", "metrics")
}

func TestAlertsAreValid(t *testing.T) {
	promtool(t, "", "check", "rules", rules+"/alerts.yml")
	promtool(t, "", "check", "config", "--syntax-only", rules+"/prometheus.yml")
	promtool(t, "", "test", "rules", rules+"/alerts_test.yml")
}

// An alert on a name that no longer exists would never fire.
func TestAlertsUseMetricsThatExist(t *testing.T) {
	text, err := os.ReadFile(rules + "/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	shown := everyText(t)
	names := regexp.MustCompile(`steelyard_[a-z_]+`).FindAllString(string(text), -1)
	if len(names) < 10 {
		t.Fatalf("found only %d names in the alerts", len(names))
	}
	for _, name := range names {
		if !strings.Contains(shown, "# TYPE "+name+" ") {
			t.Errorf("an alert uses %s, which is not shown", name)
		}
	}
}

// Every name is explained to the operator.
func TestMetricsAreDocumented(t *testing.T) {
	doc, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (steelyard_\S+)`).FindAllStringSubmatch(everyText(t), -1) {
		if !bytes.Contains(doc, []byte("`"+m[1])) {
			t.Errorf("docs/metrics.md does not explain %s", m[1])
		}
	}
}

// A real Prometheus finds all three paths by HTTP, with the configuration that is shipped.
func TestU10_PrometheusFindsAndScrapesAllThreePaths(t *testing.T) {
	const token = "sty_a-token-that-only-reads-metrics"
	var target *httptest.Server
	mux := http.NewServeMux()
	mux.Handle("/metrics", filled().Handler())
	for path, h := range map[string]http.Handler{
		"/metrics/servers": Servers(sampleServers), "/metrics/accounts": Accounts(sampleAccounts),
		"/sd/prometheus": Discovery(true, func() []fleet.Replica {
			return []fleet.Replica{{ID: "rep-1", Address: strings.TrimPrefix(target.URL, "http://"), Scheme: "http"}}
		}),
	} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "Bearer "+token {
				http.Error(w, "no token", http.StatusUnauthorized)
				return
			}
			h.ServeHTTP(w, r)
		})
	}
	target = httptest.NewServer(mux)
	defer target.Close()
	base := startPrometheus(t, strings.TrimPrefix(target.URL, "http://"), token)
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	await(ctx, t, base, `sum(up{job="steelyard"})`, "3") // three series: the label level keeps them apart
	await(ctx, t, base, `steelyard_servers{available="true"}`, "2")
	await(ctx, t, base, `sum(steelyard_api_request_duration_seconds_count)`, "1")
	await(ctx, t, base, `steelyard_server_traffic_bytes_total{server="srv-1",direction="out"}`, "200")
	await(ctx, t, base, `sum by (account) (steelyard_account_traffic_bytes_total{domain="one.example"})`, "2097171")
	await(ctx, t, base, `count(steelyard_account_storage_limit_bytes)`, "1")
}

// startPrometheus runs the distribution's Prometheus with our configuration, aimed
// at the target, on a port of loopback; it is stopped when the test ends.
func startPrometheus(t *testing.T, target, token string) string {
	t.Helper()
	binary := program(t, "prometheus")
	dir := t.TempDir()
	config, err := os.ReadFile(rules + "/prometheus.yml")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer("127.0.0.1:8080", target, "15s", "1s", "/etc/prometheus/steelyard.token", dir+"/token").Replace(string(config))
	for name, content := range map[string]string{"prometheus.yml": text, "alerts.yml": "groups: []\n", "token": token} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	address := freeAddress(t)
	var log bytes.Buffer
	cmd := exec.Command(binary, "--config.file="+dir+"/prometheus.yml", "--storage.tsdb.path="+dir+"/data", "--web.listen-address="+address)
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("prometheus: %s", log.String())
		}
	})
	return "http://" + address
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// await asks Prometheus until the query has the value, or ctx ends.
func await(ctx context.Context, t *testing.T, base, query, want string) {
	t.Helper()
	var got string
	var err error
	for ctx.Err() == nil {
		if got, err = ask(ctx, base, query); got == want {
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
	t.Fatalf("%s = %q (%v), want %q", query, got, err, want)
}

func ask(ctx context.Context, base, query string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/api/v1/query?query="+url.QueryEscape(query), nil)
	if err != nil {
		return "", err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	var answer struct {
		Data struct {
			Result []struct{ Value [2]any }
		}
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(&answer); err != nil {
		return "", err
	}
	if len(answer.Data.Result) == 0 {
		return "", nil
	}
	return fmt.Sprint(answer.Data.Result[0].Value[1]), nil
}
