package order

// BuildKey is the dedupe key of the task that waits for an order's hardware.
func BuildKey(orderID string) string { return "build/" + orderID }

// FailureKey is the dedupe key of the task about a failed preparation.
func FailureKey(orderID string) string { return "failure/" + orderID }
