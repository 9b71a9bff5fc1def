package order

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/steelyard/steelyard/pkg/fault"
)

var label = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// CheckHostname records a host name that RFC 1123 does not allow.
func CheckHostname(c *fault.Check, field, name string) {
	if name == "" || len(name) > 253 {
		c.Add(field, "is empty or longer than 253 characters")
		return
	}
	for _, l := range strings.Split(strings.ToLower(name), ".") {
		if !label.MatchString(l) {
			c.Add(field, "%.253q is not a host name; use letters, digits, hyphens and dots", name)
			return
		}
	}
}

// MaxUserData bounds what a customer writes for cloud-init, in bytes.
const MaxUserData = 16 << 10

// CheckUserData records user data that cloud-init could not read: text of at most MaxUserData bytes whose first line says what it
// is (cloud-init, "User-Data Formats").
func CheckUserData(c *fault.Check, field, data string) {
	if data == "" {
		return
	}
	c.Require(len(data) <= MaxUserData, field, "has %d bytes; %d are the most", len(data), MaxUserData)
	c.Require(utf8.ValidString(data) && !strings.ContainsRune(data, 0), field, "is not text")
	begins := slices.ContainsFunc([]string{"#cloud-config", "#!", "#include", "#cloud-boothook", "#part-handler", "## template: jinja", "Content-Type:", "MIME-Version:"},
		func(p string) bool { return strings.HasPrefix(data, p) })
	c.Require(begins, field, "does not begin with a line that says what it is, such as #cloud-config or #!/bin/sh")
}

// CheckSSHKeys records public keys that are not one line of the authorized_keys
// format (sshd(8)), and more than 64 of them.
func CheckSSHKeys(c *fault.Check, field string, keys []string) {
	if len(keys) > 64 {
		c.Add(field, "has %d keys; 64 are the most", len(keys))
		return
	}
	for i, k := range keys {
		parts := strings.Fields(k)
		known := len(parts) >= 2 && (strings.HasPrefix(parts[0], "ssh-") || strings.HasPrefix(parts[0], "ecdsa-") || strings.HasPrefix(parts[0], "sk-"))
		if !known || len(k) > 8192 || strings.ContainsAny(k, "\n\r\x00") {
			c.Add(field, "entry %d is not a public key like \"ssh-ed25519 AAAA… name\"", i+1)
		}
	}
}
