package notify

import (
	"net/netip"
	"testing"
)

// Where webhooks may go: neither inside nor where clouds keep credentials, in whatever notation.
func TestX9_WebhooksDoNotGoInside(t *testing.T) {
	for address, want := range map[string]struct{ public, private bool }{
		"192.0.78.9":               {true, true},
		"2a00:1450:4001:82a::200e": {true, true},
		"127.0.0.1":                {false, true},
		"::1":                      {false, true},
		"::ffff:127.0.0.1":         {false, true},
		"10.1.2.3":                 {false, true},
		"172.31.0.1":               {false, true},
		"192.168.1.1":              {false, true},
		"100.64.0.1":               {false, true},
		"fd00::1":                  {false, true},
		"198.18.0.1":               {false, true},
		"64:ff9b::7f00:1":          {false, true}, // NAT64 of 127.0.0.1
		"2002:7f00:1::":            {false, true}, // 6to4 of 127.0.0.1
		"::7f00:1":                 {false, true}, // IPv4-compatible 127.0.0.1
		"0.1.2.3":                  {false, true},
		"240.0.0.1":                {false, true},
		"169.254.169.254":          {false, false},
		"::ffff:169.254.169.254":   {false, false},
		"fe80::1%eth0":             {false, false},
		"0.0.0.0":                  {false, false},
		"::":                       {false, false},
		"224.0.0.1":                {false, false},
		"ff02::1":                  {false, false},
		"255.255.255.255":          {false, false},
	} {
		ip := netip.MustParseAddr(address)
		if got := target(ip, false) == nil; got != want.public {
			t.Errorf("%s is reached: %v", address, got)
		}
		if got := target(ip, true) == nil; got != want.private {
			t.Errorf("%s is reached where private targets are allowed: %v", address, got)
		}
	}
}
