package account

import (
	"slices"
	"strconv"
	"strings"

	"github.com/steelyard/steelyard/protocol"
)

// Lengths of user names: MaxUser is also what MySQL before 5.7 takes.
const (
	minUser = 3
	MaxUser = 16
)

// Users are names that an account of a domain may have, the best first: the domain's first label in letters and digits, then the same
// with a number, then with what random gives. Whether one is free is not known here.
func Users(domain string, random func() string) []string {
	base := base(domain)
	var list []string
	add := func(name string) {
		if protocol.UserName(name) && !protocol.ReservedUser(name) && !slices.Contains(list, name) {
			list = append(list, name)
		}
	}
	add(base)
	for n := 1; n <= 4; n++ {
		add(cut(base, MaxUser-1) + strconv.Itoa(n))
	}
	for range 6 {
		end := random()
		add(cut(base, MaxUser-len(end)) + end)
	}
	return list
}

// base is a name made of a domain: at least one letter, which comes first.
func base(domain string) string {
	first, _, _ := strings.Cut(domain, ".")
	first = strings.TrimPrefix(first, "xn--")
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, first)
	if name == "" || name[0] >= '0' && name[0] <= '9' {
		name = "web" + name
	}
	for len(name) < minUser {
		name += "0"
	}
	return cut(name, MaxUser)
}

func cut(text string, most int) string { return text[:min(len(text), most)] }
