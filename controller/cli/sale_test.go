package cli

import (
	"testing"
)

const rsl, sal = "rsl-0000000000000001", "sal-0000000000000001"

const salesPage = `{"items":[{"id":"sal-0000000000000001","server":"srv-0000000000000001","server_name":"web1","reseller_name":"acme","state":"sold","revocable":true}],"next":"","total":1}`

func TestS5_ALineTellsOfEachServerWhatBecameOfIt(t *testing.T) {
	f := newFake(t).on("GET /v1/servers", ok(serverPage)).on("POST /v1/sales", ok(`{"reseller":"`+rsl+`","sold":1,"failed":1,"results":[
		{"server":"`+srv+`","outcome":"sold","sale":"`+sal+`","message":"sold to acme"},
		{"server":"srv-0000000000000002","outcome":"refused","kind":"refused","message":"server web2 is already owned by bolt"}]}`))
	f.steelyard(t, "sale", "make", rsl, "web1", "srv-0000000000000002").want(t, failed,
		"SERVER\tOUTCOME\tSALE\tMESSAGE\n"+
			"web1\tsold\t"+sal+"\tsold to acme\n"+
			"srv-0000000000000002\trefused\t\tserver web2 is already owned by bolt\n",
		"steelyard: 1 of 2 servers were not sold\n")
	if got := f.requests("POST /v1/sales"); len(got) != 1 || got[0].body != `{"reseller":"`+rsl+`","servers":["`+srv+`","srv-0000000000000002"]}` {
		t.Errorf("requests %+v", got)
	}
}

func TestS4_FreeServersAreChosenByFilter(t *testing.T) {
	f := newFake(t).on("GET /v1/servers", ok(serverPage)).on("GET /v1/locations", ok(locationPage)).
		on("GET /v1/whoami", ok(`{"role":"operations"}`)).on("POST /v1/sales", ok(`{"reseller":"`+rsl+`","sold":1,"failed":0,"results":[{"server":"`+srv+`","outcome":"sold","sale":"`+sal+`","message":"sold to acme"}]}`))
	f.steelyard(t, "sale", "make", rsl, "--count", "1", "--location", "frankfurt").contains(t, done, "web1\tsold", "")
	if got := f.requests("GET /v1/servers"); len(got) != 1 || got[0].query != "available=true&claim=none&limit=1&location="+loc+"&sort=free_since" {
		t.Errorf("requests %+v", got)
	}
	f.steelyard(t, "sale", "make", rsl, "--count", "2").contains(t, failed, "", "1 such servers are free, not 2; nothing was sold")
	f.steelyard(t, "sale", "make", rsl).contains(t, misused, "", "name the servers")
	f.steelyard(t, "sale", "make", rsl, "web1", "--count", "1").contains(t, misused, "", "one of the two")
	f.steelyard(t, "sale", "make", rsl, "--count", "101").contains(t, misused, "", "100 are the most")
	if got := f.requests("POST /v1/sales"); len(got) != 1 {
		t.Errorf("sold %d times", len(got))
	}
}

// TestS4_AFilterOfHostingSellsNodesToo: what is sold then need not be what orders get.
func TestS4_AFilterOfHostingSellsNodesToo(t *testing.T) {
	const pool = "spl-0000000000000001"
	f := newFake(t).on("GET /v1/servers", ok(serverPage)).on("GET /v1/locations", ok(locationPage)).
		on("GET /v1/server-pools", ok(`{"items":[{"id":"`+pool+`","name":"front"}],"next":"","total":1}`)).
		on("GET /v1/whoami", ok(`{"role":"operations"}`)).on("POST /v1/sales", ok(`{"reseller":"`+rsl+`","sold":1,"failed":0,"results":[{"server":"`+srv+`","outcome":"sold","sale":"`+sal+`","message":"sold to acme"}]}`))
	for want, args := range map[string][]string{
		"claim=none&limit=1&sellable=true&service=mail&sort=free_since":                          {"--service", "mail"},
		"claim=none&limit=1&pool=" + pool + "&sellable=true&sort=free_since":                     {"--pool", "front"},
		"claim=none&label=unassigned&limit=1&location=" + loc + "&sellable=true&sort=free_since": {"--label", "unassigned", "--location", "frankfurt"},
		"available=true&claim=none&limit=1&sort=free_since":                                      nil,
	} {
		before := len(f.requests("GET /v1/servers"))
		f.steelyard(t, append([]string{"sale", "make", rsl, "--count", "1"}, args...)...).contains(t, done, "web1\tsold", "")
		if got := f.requests("GET /v1/servers"); len(got) != before+1 || got[before].query != want {
			t.Errorf("%v asks %+v, not %s", args, got[before:], want)
		}
	}
	f.steelyard(t, "sale", "make", rsl, "web1", "--service", "mail").contains(t, misused, "", "you named them")
}

// TestS4_AResellerChoosesOutOfWhatHeWasSold when he sells onward.
func TestS4_AResellerChoosesOutOfWhatHeWasSold(t *testing.T) {
	f := newFake(t).on("GET /v1/servers", ok(serverPage)).on("GET /v1/whoami", ok(`{"role":"reseller","reseller":{"id":"`+rsl+`","name":"acme","path":"`+rsl+`"}}`)).
		on("POST /v1/sales", ok(`{"reseller":"rsl-0000000000000002","sold":1,"failed":0,"results":[{"server":"`+srv+`","outcome":"sold","sale":"`+sal+`","message":"sold to small"}]}`))
	f.steelyard(t, "sale", "make", "rsl-0000000000000002", "--count", "1").contains(t, done, "web1\tsold", "")
	if got := f.requests("GET /v1/servers"); len(got) != 1 || got[0].query != "claim=reseller&limit=1&reseller="+rsl+"&sellable=true&sort=free_since" {
		t.Errorf("requests %+v", got)
	}
}

func TestS7_ASaleIsCalledByItsServer(t *testing.T) {
	f := newFake(t).on("GET /v1/servers", ok(serverPage)).on("GET /v1/sales", ok(salesPage), ok(`{"items":[],"next":"","total":0}`)).
		on("POST /v1/sales/"+sal+"/revoke", ok(`{"id":"`+sal+`","state":"revoking","message":"it is looked at"}`))
	f.steelyard(t, "sale", "revoke", "web1", "--reason", "unpaid").contains(t, done, "is being taken back", "")
	if got := f.requests("GET /v1/sales"); len(got) != 1 || got[0].query != "limit=1&server="+srv+"&sort=-sold_at&state=sold%2Crevoking%2Casking" {
		t.Errorf("requests %+v", got)
	}
	if got := f.requests("POST /v1/sales/" + sal + "/revoke"); len(got) != 1 || got[0].body != `{"reason":"unpaid"}` {
		t.Errorf("requests %+v", got)
	}
	f.steelyard(t, "sale", "revoke", "web1", "--reason", "unpaid").contains(t, failed, "", `server "web1" is not sold`)
}

// TestS6_ListsNameTheReseller whose something is, not the ids on his path.
func TestS6_ListsNameTheReseller(t *testing.T) {
	const small = "rsl-0000000000000002"
	f := newFake(t).on("GET /v1/resellers", ok(`{"items":[{"id":"`+rsl+`","name":"acme"},{"id":"`+small+`","name":"small"}],"next":"","total":2}`)).
		on("GET /v1/users", ok(`{"items":[{"id":"usr-1","name":"kim","role":"reseller","reseller":"`+rsl+"/"+small+`"}],"next":"","total":1}`)).
		on("GET /v1/customers", ok(`{"items":[{"id":"cus-1","name":"toys","reseller":"`+rsl+`"}],"next":"","total":1}`)).
		on("GET /v1/servers", ok(serverPage)).
		on("GET /v1/placements", ok(`{"items":[{"id":"plc-1","name":"shop","kind":"database","server":"`+srv+`","reseller":"`+rsl+"/"+small+`"}],"next":"","total":1}`))
	for noun, want := range map[string]string{"user": "small", "customer": "acme", "placement": "small"} {
		f.steelyard(t, noun, "list").contains(t, done, "\t"+want+"\t", "")
	}
}
