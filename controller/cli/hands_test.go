package cli

import (
	"strings"
	"testing"
)

const swi = "swi-0000000000000001"

func TestX9_APasswordIsAskedForOnlyWhereAStoredOneWillNotDo(t *testing.T) {
	kept := ok(`{"server":"` + srv + `","driver":"ipmi","simulated":"OpenIPMI","address":"10.0.0.7","username":"root","password_set":true,"changed_at":"2026-01-01T00:00:00Z","rev":7}`)
	f := newFake(t).on("GET /v1/servers/"+srv+"/bmc", kept).on("PUT /v1/servers/"+srv+"/bmc", kept)
	env := map[string]string{"STEELYARD_URL": f.url}
	put := func() map[string]any {
		t.Helper()
		list := f.requests("PUT /v1/servers/" + srv + "/bmc")
		return body(t, list[len(list)-1].body)
	}
	runWith(t, env, "", Hooks{}, "server", "bmc", "set", srv, "--allow-weak").contains(t, done, "power is switched by ipmi", "")
	if b := put(); b["password"] != nil || b["address"] != "10.0.0.7" || b["username"] != "root" || b["allow_weak"] != true || b["simulator"] != "OpenIPMI" || b["rev"] != nil || b["password_set"] != nil {
		t.Errorf("sent %v", b)
	}
	runWith(t, env, "", Hooks{}, "server", "bmc", "set", srv, "--address", "10.0.0.8").contains(t, failed, "", "--password-file")
	runWith(t, env, "new-secret\n", Hooks{}, "server", "bmc", "set", srv, "--address", "10.0.0.8").contains(t, done, "", "")
	if b := put(); b["password"] != "new-secret" || b["address"] != "10.0.0.8" {
		t.Errorf("sent %v", b)
	}
	runWith(t, env, "", Hooks{}, "server", "bmc", "set", srv, "--driver", "manual").contains(t, done, "power is switched by manual", "")
	if b := put(); len(b) != 1 {
		t.Errorf("another driver is sent with what the one before had: %v", b)
	}
	file := write(t, "password", "from-file\n")
	runWith(t, env, "", Hooks{}, "server", "bmc", "password", srv, "--password-file", file).contains(t, done, "the new password is kept", "")
	if b := put(); b["password"] != "from-file" {
		t.Errorf("sent %v", b)
	}
	runWith(t, env, "from-input\n", Hooks{}, "server", "bmc", "password", srv).contains(t, done, "the new password is kept", "")
	if b := put(); b["password"] != "from-input" || b["driver"] != "ipmi" {
		t.Errorf("sent %v", b)
	}
	runWith(t, env, "", Hooks{}, "server", "bmc", "show", srv).contains(t, done, "simulated:     OpenIPMI", "")
	runWith(t, env, "", Hooks{}, "server", "bmc", "set", srv).contains(t, misused, "", "say what to change")
}

func TestX9_SecretsOfASwitchAreReadLineByLine(t *testing.T) {
	f := newFake(t).on("POST /v1/switches", ok(`{"id":"`+swi+`","name":"sw1"}`))
	env := map[string]string{"STEELYARD_URL": f.url}
	args := []string{"switch", "create", "--name", "sw1", "--location", loc, "--driver", "snmp", "--address", "10.0.0.2", "--version", "3", "--username", "ops", "--auth", "SHA", "--priv", "AES"}
	runWith(t, env, "auth-secret\npriv-secret\n", Hooks{}, args...).want(t, done, "switch sw1 ("+swi+") created\n", "")
	if b := body(t, f.got[0].body); b["auth_password"] != "auth-secret" || b["priv_password"] != "priv-secret" || b["community"] != nil {
		t.Errorf("sent %v", b)
	}
	runWith(t, env, "auth-secret\n", Hooks{}, args...).contains(t, failed, "", "--priv-password-file")
	args[9], args[11] = "", "2c"
	runWith(t, env, "our-community\n", Hooks{}, args[:12]...).contains(t, done, "created", "")
	if b := body(t, f.got[1].body); b["community"] != "our-community" || b["auth_password"] != nil {
		t.Errorf("sent %v", b)
	}
	runWith(t, env, "", Hooks{}, "switch", "create", "--name", "sw1", "--location", loc, "--driver", "manual").contains(t, done, "created", "")
}

func TestPortsAreReadFromOneWord(t *testing.T) {
	f := newFake(t).on("GET /v1/switches", ok(`{"items":[{"id":"`+swi+`","name":"rack7-a"}],"next":"","total":1}`)).on("PUT /v1/servers/"+srv+"/ports", ok(`{}`))
	f.steelyard(t, "server", "ports", "set", srv, "--port", "rack7-a,name=Gi1/0/7,vlan=12", "--port", swi+",alias=a,b=c", "--port", swi+",index=7").
		contains(t, done, "its switch ports are set", "")
	want := `{"ports":[{"by":"name","switch":"` + swi + `","value":"Gi1/0/7","vlan":12},{"by":"alias","switch":"` + swi + `","value":"a,b=c","vlan":0},{"by":"index","switch":"` + swi + `","value":"7","vlan":0}]}`
	if got := f.requests("PUT /v1/servers/" + srv + "/ports")[0].body; got != want {
		t.Errorf("sent %s\nwant %s", got, want)
	}
	for _, wrong := range []string{"rack7-a", "rack7-a,Gi1/0/7", ",name=x", "rack7-a,name=x,vlan=y"} {
		f.steelyard(t, "server", "ports", "set", srv, "--port", wrong).contains(t, misused, "", "vlan")
	}
	f.steelyard(t, "server", "ports", "set", srv).contains(t, misused, "", "--port")
}

func TestX9_RotationIsAwaited(t *testing.T) {
	keys := func(rotating string, left string) answer {
		return ok(`{"keys":[{"id":"key-1","state":"retiring","secrets":` + left + `,"readable":true,"created_at":"2026-11-20T12:00:00Z","created_by":"ann"}],"rotating":` + rotating + `}`)
	}
	f := newFake(t).on("POST /v1/secrets/rotate", keys("true", "9")).on("GET /v1/secrets", keys("true", "9"), keys("true", "4"), keys("false", "0"))
	r := f.steelyard(t, "secret", "rotate", "--wait")
	r.contains(t, done, "key-1\tretiring\t0\t", "secrets that are still to be sealed anew: 9\nsecrets that are still to be sealed anew: 4\n")
	if strings.Count(r.err, "anew: 9") != 1 || len(f.requests("GET /v1/secrets")) != 3 {
		t.Errorf("%d requests, %q", len(f.requests("GET /v1/secrets")), r.err)
	}
}
