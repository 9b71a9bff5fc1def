package plan

// Policies of overuse (rule P18): what happens when disk space or traffic reaches its limit. All other limits hold whatever the policy is, what
// is there stays there, deleting always works, and traffic never stops anything by itself (C21).
const (
	Block            = "block"              // growth stops
	Notify           = "notify"             // growth stops, and the owner is told
	Normal           = "normal"             // growth goes on; more than the limit suspends
	NotSuspend       = "not_suspend"        // growth goes on
	NotSuspendNotify = "not_suspend_notify" // growth goes on, and the owner is told
)

// Policies lists them, the default first.
var Policies = []string{Block, Notify, Normal, NotSuspend, NotSuspendNotify}

// Stops reports whether the node keeps the disk space within its limit.
func Stops(policy string) bool { return policy == Block || policy == Notify }

// Suspends reports whether more disk space or traffic than the limit suspends.
func Suspends(policy string) bool { return policy == Normal }

// Tells reports whether the owner is told at the limit.
func Tells(policy string) bool { return policy == Notify || policy == NotSuspendNotify }

// unstopped is the policy that differs only in that growth goes on: what a node without quotas makes of one that stops it.
func unstopped(policy string) string {
	switch policy {
	case Block:
		return NotSuspend
	case Notify:
		return NotSuspendNotify
	}
	return policy
}
