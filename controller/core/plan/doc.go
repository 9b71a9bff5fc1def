// Package plan owns what a reseller sells: offers, which are service plans or add-ons to one, the properties that they promise, and how the
// promises of a plan and its add-ons become one (rules C1 to C8, P1, P2, P9, P11, P18, P19).
//
// It never knows who bought an offer; that is package subscription. It is pure: values in, values out. An [Edition] is what a subscription
// holds of an offer, a copy of one version of it: so an edit of the offer changes nobody until he is synced, and a sync that stops half way is
// seen in the versions that were reached.
//
// [Merge] does not depend on the order in which add-ons come, and merging a part again with itself is not the part: each add-on is there at
// most once, which package subscription sees to. [Table] is the one list of properties; code asks it instead of naming kinds.
package plan
