package cli

import "testing"

func TestB46_ValuesAreShownOverTime(t *testing.T) {
	f := newFake(t).on("GET /v1/servers/"+srv+"/diagnoses", ok(`{"server":"`+srv+`","past":[
		{"id":"opn-1","profile":"quick","at":"2026-11-20T08:00:00Z","verdict":"ok"},
		{"id":"opn-2","profile":"burn-in","at":"2026-11-22T08:30:00Z","verdict":"error","errors":["disk sda read"],"warnings":["nic eth0 link"]}],
		"series":[{"check":"disk read","part":"S4NX","name":"rate","unit":"MB/s","limit":80,"values":[181.235,79.04]},
		{"check":"disk smart","part":"S4NX","name":"pending","unit":"sectors","values":[null,16]}]}`))
	f.steelyard(t, "server", "diagnoses", srv).want(t, done,
		"AT\tPROFILE\tVERDICT\tBECAUSE OF\n11-20 08:00\tquick\tok\t\n11-22 08:30\tburn-in\terror\tdisk sda read, nic eth0 link\n\n"+
			"CHECK\tPART\tNUMBER\tUNIT\tLIMIT\t11-20 08:00\t11-22 08:30\ndisk read\tS4NX\trate\tMB/s\t80\t181\t79\ndisk smart\tS4NX\tpending\tsectors\t\t\t16\n", "")
	none := newFake(t).on("GET /v1/servers/"+srv+"/diagnoses", ok(`{"server":"`+srv+`","past":[],"series":[]}`))
	none.steelyard(t, "server", "diagnoses", srv).contains(t, done, "No diagnostics of "+srv+" ended yet.", "")
}
