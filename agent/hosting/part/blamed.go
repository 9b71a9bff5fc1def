package part

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Blamed is the error of a Settle that some accounts are to blame for; the others are settled.
type Blamed struct{ By map[string]error } // by account id

// Error names the accounts.
func (b *Blamed) Error() string {
	var list []string
	for _, id := range slices.Sorted(maps.Keys(b.By)) {
		list = append(list, fmt.Sprintf("account %s: %v", id, b.By[id]))
	}
	return strings.Join(list, "; ")
}
