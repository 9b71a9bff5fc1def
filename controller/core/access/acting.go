package access

// MayActing reports whether somebody of role by, who acts for somebody of role as, may do something then (rule S11): what the other may
// do, and never more than he may himself. A reseller who acts for his customer may do all that the customer may: he could make himself a
// user of that customer.
func MayActing(by, as Role, p Permission) bool {
	return Allowed(as, p) && (by == RoleReseller || Allowed(by, p))
}
