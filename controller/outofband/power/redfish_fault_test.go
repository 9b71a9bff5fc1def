package power_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/core/outofband"
	"github.com/steelyard/steelyard/controller/outofband/power"
	"github.com/steelyard/steelyard/pkg/fault"
)

// A chain that the roots know needs no pin.
func TestX9_AChainIsVerifiedByTheRoots(t *testing.T) {
	rig, _ := redfishService(t, nil)
	target := rig.Target
	target.Pin = ""
	target.Roots = x509.NewCertPool()
	target.Roots.AddCert(certificateOf(t, target.Address))
	c, err := power.Open(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
}

// A stranger hears nothing from us: no request at all, so no password.
func TestX9_AnUnknownCertificateGetsNoCredentials(t *testing.T) {
	var requests atomic.Int32
	rig, _ := redfishService(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			requests.Add(1)
			next.ServeHTTP(w, r)
		})
	})
	for name, pin := range map[string]string{"nothing accepted": "", "another accepted": strings.Repeat("ab", 32)} {
		target := rig.Target
		target.Pin = pin
		_, err := power.Open(t.Context(), target)
		var unknown *power.UnknownCertificate
		if !fault.Is(err, fault.KindRefused) || !errors.As(err, &unknown) || unknown.SHA256 != rig.Target.Pin || unknown.Pinned != (pin != "") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := requests.Load(); n != 0 {
		t.Errorf("%d requests reached the stranger", n)
	}
	accepted := rig.Target
	accepted.Pin = strings.ToUpper(accepted.Pin) // as a person copies it
	c, err := power.Open(t.Context(), accepted)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
}

// A certificate that changes under an open controller ends it.
func TestX9_ACertificateThatChangesIsNoticed(t *testing.T) {
	rig, service := redfishService(t, nil)
	other, _ := serve(t, service)
	c, err := power.Open(t.Context(), rig.Target)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	changed := rig.Target
	changed.Address = other.URL
	var unknown *power.UnknownCertificate
	if _, err := power.Open(t.Context(), changed); !errors.As(err, &unknown) || !unknown.Pinned {
		t.Fatal(err)
	}
}

// answers replaces some answers of the service; a nil handler leaves the request to it.
func answers(choose func(r *http.Request) http.HandlerFunc) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if h := choose(r); h != nil {
				h(w, r)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

func isSystem(r *http.Request) bool {
	return r.Method == http.MethodGet && r.URL.Path == "/redfish/v1/Systems/machine-1"
}

func text(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// What a service may do to us, and what we make of it.
func TestB42_ABadRedfishServiceIsAFaultNotASurprise(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the other host was asked") }))
	defer elsewhere.Close()
	for name, tt := range map[string]struct {
		answer http.HandlerFunc
		kind   fault.Kind
		says   string
	}{
		"garbage":         {text(200, "<html>login</html>"), fault.KindRefused, "not a Redfish resource"},
		"half a document": {text(200, `{"Id": "machine-1", "PowerSt`), fault.KindRefused, "not a Redfish resource"},
		"a huge body": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.Copy(w, io.LimitReader(endless('x'), 8<<20))
		}, fault.KindRefused, "more than 4 MiB"},
		"a redirect elsewhere": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL+"/redfish/v1/Systems/machine-1", http.StatusTemporaryRedirect)
		}, fault.KindRefused, "redirects to another host"},
		"a broken connection": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, "{")
			panic(http.ErrAbortHandler)
		}, fault.KindUnavailable, "reach the management controller"},
		"an error with words": {text(500, `{"error":{"message":"General","@Message.ExtendedInfo":[{"Message":"The BMC\nis tired."}]}}`), fault.KindUnavailable, "The BMCis tired."},
		"no right to it":      {text(403, ""), fault.KindRefused, "operator role"},
		"gone":                {text(404, ""), fault.KindNotFound, "HTTP 404"},
		"busy for long": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "600")
			w.WriteHeader(http.StatusServiceUnavailable)
		}, fault.KindUnavailable, "busy for another 10m0s"},
	} {
		t.Run(name, func(t *testing.T) {
			var bad atomic.Bool
			rig, _ := redfishService(t, answers(func(r *http.Request) http.HandlerFunc {
				if bad.Load() && isSystem(r) {
					return tt.answer
				}
				return nil
			}))
			c, err := power.Open(t.Context(), rig.Target)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			bad.Store(true)
			state, err := c.Status(t.Context())
			if state != outofband.Unknown || fault.KindOf(err) != tt.kind || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%s, %s: %v", state, fault.KindOf(err), err)
			}
			if strings.Contains(err.Error(), rig.Target.Password) {
				t.Error("the password is in the error")
			}
			bad.Store(false)
			if _, err := c.Status(t.Context()); err != nil {
				t.Errorf("and it never recovers: %v", err)
			}
		})
	}
}

type endless byte

func (e endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(e)
	}
	return len(p), nil
}

// Odd, and yet understood.
func TestB34_OddAnswersAreUnderstood(t *testing.T) {
	for name, tt := range map[string]struct{ body, want string }{
		"in transition":         {`{"PowerState":"PoweringOn"}`, outofband.Unknown},
		"no state":              {`{"Boot":{}}`, outofband.Unknown},
		"state of a wrong type": {`{"PowerState":7}`, outofband.Unknown},
		"wrong types around it": {`{"Boot":"none","Links":[],"Actions":null,"Id":3,"PowerState":"Off"}`, outofband.Off},
		"an array":              {`[]`, outofband.Unknown},
		"null":                  {`null`, outofband.Unknown},
	} {
		t.Run(name, func(t *testing.T) {
			rig, _ := redfishService(t, answers(func(r *http.Request) http.HandlerFunc {
				if isSystem(r) {
					return text(200, tt.body)
				}
				return nil
			}))
			c, err := power.Open(t.Context(), rig.Target)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if got, err := c.Status(t.Context()); err != nil || got != tt.want {
				t.Fatalf("%s, %v; want %s", got, err, tt.want)
			}
			if _, err := c.Inventory(t.Context()); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// Busy for a moment is waited for, and nothing is done twice.
func TestB34_ABusyServiceIsWaitedFor(t *testing.T) {
	var busy, resets atomic.Int32
	busy.Store(2)
	rig, _ := redfishService(t, answers(func(r *http.Request) http.HandlerFunc {
		if !strings.HasSuffix(r.URL.Path, "ComputerSystem.Reset") {
			return nil
		}
		if busy.Add(-1) < 0 {
			resets.Add(1)
			return nil
		}
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	c, err := power.Open(t.Context(), rig.Target)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if changed, err := power.TurnOn(t.Context(), c, power.Boot{}, func(string) {}); err != nil || !changed || resets.Load() != 1 {
		t.Fatal(changed, err, resets.Load())
	}
}

// A service that restarts forgets its sessions.
func TestB42_AForgottenSessionIsOpenedAgain(t *testing.T) {
	rig, service := redfishService(t, nil)
	c, err := power.Open(t.Context(), rig.Target)
	if err != nil {
		t.Fatal(err)
	}
	service.Forget()
	if _, err := c.Status(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil || service.Sessions() != 0 {
		t.Fatalf("%v, %d sessions left", err, service.Sessions())
	}
}

// Services without sessions have basic authentication.
func TestB34_AServiceWithoutSessionsIsUsedWithBasicAuthentication(t *testing.T) {
	for _, status := range []int{http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented} {
		rig, _ := redfishService(t, answers(func(r *http.Request) http.HandlerFunc {
			if strings.HasPrefix(r.URL.Path, "/redfish/v1/SessionService") {
				return text(status, "")
			}
			return nil
		}))
		c, err := power.Open(t.Context(), rig.Target)
		if err != nil {
			t.Fatalf("%d: %v", status, err)
		}
		if _, err := c.Status(t.Context()); err != nil {
			t.Errorf("%d: %v", status, err)
		}
		c.Close()
		wrong := rig.Target
		wrong.Password = "wrong"
		if _, err := power.Open(t.Context(), wrong); !fault.Is(err, fault.KindRefused) {
			t.Errorf("%d: %v", status, err)
		}
	}
}

// A resource that changed under a write is read again; a service whose tags never match gets none.
func TestB34_TagsThatDoNotMatchAreReadAgain(t *testing.T) {
	for name, refusals := range map[string]int32{"once": 1, "always when there is a tag": 99} {
		t.Run(name, func(t *testing.T) {
			var left atomic.Int32
			left.Store(refusals)
			rig, _ := redfishService(t, answers(func(r *http.Request) http.HandlerFunc {
				if r.Method == http.MethodPatch && r.Header.Get("If-Match") != "" && left.Add(-1) >= 0 {
					return text(http.StatusPreconditionFailed, "")
				}
				return nil
			}))
			c, err := power.Open(t.Context(), rig.Target)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if err := c.NextBoot(t.Context(), power.Boot{Device: power.BootNetwork, Once: true, Mode: power.ModeUEFI}); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// Services that keep what is pending in a resource of its own (AMI, OpenBMC) take the boot device there.
func TestB34_BootIsSetInThePendingSettings(t *testing.T) {
	var pending atomic.Value
	pending.Store(`{"Boot":{}}`)
	rig, _ := redfishService(t, answers(func(r *http.Request) http.HandlerFunc {
		switch {
		case isSystem(r):
			return text(200, `{"PowerState":"Off","@Redfish.Settings":{"SettingsObject":{"@odata.id":"/redfish/v1/Systems/machine-1/SD"}}}`)
		case r.Method == http.MethodPatch && strings.HasSuffix(r.URL.Path, "/machine-1"):
			return text(400, `{"error":{"message":"use the future state"}}`)
		case strings.HasSuffix(r.URL.Path, "/SD") && r.Method == http.MethodPatch:
			return func(w http.ResponseWriter, r *http.Request) {
				raw, _ := io.ReadAll(r.Body)
				pending.Store(string(raw))
				w.WriteHeader(http.StatusNoContent)
			}
		case strings.HasSuffix(r.URL.Path, "/SD"):
			return text(200, pending.Load().(string))
		}
		return nil
	}))
	c, err := power.Open(t.Context(), rig.Target)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.NextBoot(t.Context(), power.Boot{Device: power.BootNetwork, Once: true}); err != nil {
		t.Fatal(err)
	}
	if got := pending.Load().(string); !strings.Contains(got, `"BootSourceOverrideTarget":"Pxe"`) {
		t.Fatal(got)
	}
}

// A boot device that is accepted and not kept is a failure, before the power is on.
func TestB34_ABootDeviceThatIsNotKeptStopsTurnOn(t *testing.T) {
	rig, _ := redfishService(t, answers(func(r *http.Request) http.HandlerFunc {
		if r.Method == http.MethodPatch {
			return text(200, "{}")
		}
		return nil
	}))
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	c, err := power.Open(ctx, rig.Target)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	changed, err := power.TurnOn(ctx, c, power.Boot{Device: power.BootNetwork, Once: true}, func(string) {})
	if changed || !fault.Is(err, fault.KindUnavailable) || !strings.Contains(err.Error(), "accepted network as the boot device") || len(rig.Machine.Boots()) != 0 {
		t.Fatalf("changed %v, %v, booted from %v", changed, err, rig.Machine.Boots())
	}
}

// What is offered decides what is asked for.
func TestB39_OfferedWaysDecide(t *testing.T) {
	for name, tt := range map[string]struct {
		offered, want string
		act           func(context.Context, power.Controller) error
	}{
		"no On":              {`["ForceOn","ForceOff"]`, "ForceOn", func(ctx context.Context, c power.Controller) error { return c.On(ctx) }},
		"a button for off":   {`["On","PushPowerButton","ForceOff"]`, "PushPowerButton", func(ctx context.Context, c power.Controller) error { return c.SoftOff(ctx) }},
		"nothing orderly":    {`["On","ForceOff"]`, "", func(ctx context.Context, c power.Controller) error { return c.SoftOff(ctx) }},
		"PowerOff for force": {`["On","PowerOff"]`, "PowerOff", func(ctx context.Context, c power.Controller) error { return c.HardOff(ctx) }},
	} {
		t.Run(name, func(t *testing.T) {
			var asked atomic.Value
			asked.Store("")
			rig, _ := redfishService(t, answers(func(r *http.Request) http.HandlerFunc {
				switch {
				case isSystem(r): // the list is in a resource of its own, as newer services have it
					return text(200, `{"PowerState":"On","Actions":{"#ComputerSystem.Reset":{"target":"/redfish/v1/Systems/machine-1/Actions/ComputerSystem.Reset","@Redfish.ActionInfo":"/redfish/v1/info"}}}`)
				case r.URL.Path == "/redfish/v1/info":
					return text(200, `{"Parameters":[{"Name":"ResetType","AllowableValues":`+tt.offered+`}]}`)
				case r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, ".Reset"):
					return func(w http.ResponseWriter, r *http.Request) {
						var body struct{ ResetType string }
						_ = json.NewDecoder(r.Body).Decode(&body)
						asked.Store(body.ResetType)
						w.WriteHeader(http.StatusNoContent)
					}
				}
				return nil
			}))
			c, err := power.Open(t.Context(), rig.Target)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			err = tt.act(t.Context(), c)
			if got := asked.Load(); got != tt.want || (err != nil) != (tt.want == "") || err != nil && !fault.Is(err, fault.KindRefused) {
				t.Fatalf("asked for %q, %v", got, err)
			}
		})
	}
}

// Links lead nowhere else.
func TestX9_LinksToAnotherHostAreNotFollowed(t *testing.T) {
	elsewhere := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the other host was asked") }))
	defer elsewhere.Close()
	for _, link := range []string{elsewhere.URL + "/redfish/v1/Systems/machine-1", "//" + elsewhere.Listener.Addr().String() + "/machine-1", "http://x@127.0.0.1/machine-1", "machine-1", "%zz"} {
		rig, _ := redfishService(t, answers(func(r *http.Request) http.HandlerFunc {
			if r.URL.Path == "/redfish/v1/Systems" {
				raw, _ := json.Marshal(map[string]any{"Members": []any{map[string]string{"@odata.id": link}}})
				return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.Copy(w, bytes.NewReader(raw)) }
			}
			return nil
		}))
		if _, err := power.Open(t.Context(), rig.Target); !fault.Is(err, fault.KindRefused) || !strings.Contains(err.Error(), "another host") {
			t.Errorf("%s: %v", link, err)
		}
	}
}

// Nobody there, and somebody who never answers.
func TestB42_AnAbsentServiceIsUnavailableInTime(t *testing.T) {
	listener, err := net.Listen("tcp", "127.61.9.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	closed, err := net.Listen("tcp", "127.61.9.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := closed.Addr().String()
	closed.Close()
	for _, address := range []string{nobody, listener.Addr().String()} {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		_, err := power.Open(ctx, power.Target{Driver: outofband.DriverRedfish, Address: "https://" + address, Username: "a", Password: "b"})
		cancel()
		if !fault.Is(err, fault.KindUnavailable) {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// What cannot be meant is said before anything is dialled.
func TestX13_TargetsThatMakeNoSense(t *testing.T) {
	for _, target := range []power.Target{
		{Driver: "manual"},
		{Driver: outofband.DriverRedfish, Address: "http://10.0.0.1"},
		{Driver: outofband.DriverRedfish, Address: "10.0.0.1"},
		{Driver: outofband.DriverRedfish, Address: "https://u:p@10.0.0.1"},
		{Driver: outofband.DriverRedfish, Address: "https://10.0.0.1", Pin: "abcd"},
		{Driver: outofband.DriverIPMI, Address: ""},
		{Driver: outofband.DriverIPMI, Address: "127.0.0.1", Username: strings.Repeat("u", 17)},
		{Driver: outofband.DriverIPMI, Address: "127.0.0.1", Password: strings.Repeat("p", 21)},
		{Driver: outofband.DriverWOL, Address: "127.255.255.255", MAC: "02:00"},
		{Driver: outofband.DriverWOL, Address: "", MAC: "02:00:00:00:00:01"},
	} {
		if _, err := power.Open(t.Context(), target); !fault.Is(err, fault.KindInvalid) {
			t.Errorf("%+v: %v", target, err)
		}
	}
}
