// Package address owns IP pools and the addresses that servers have out of them:
// the records, which of a pool's addresses may be handed out, and which comes next.
// Pure; the clock is a parameter.
//
// # Words
//
// Pool: a prefix of a location, v4 or v6. Pools of the whole fleet never overlap. Slot:
// what one server gets out of a pool: one address, or a prefix of IPv6. Slots are
// numbered from the start of the prefix. Excluded: a slot that is never handed out:
// network, broadcast, gateway, and the pool's reserved ranges. Capacity: the slots
// that are not excluded. Address: the record of a slot that somebody has, or had.
// Used: a server has it. Resting: it was taken off a server; for [Rest] nobody gets
// it, so that a new customer does not get the old one's traffic, unless nothing else
// is left. Free: no record.
//
// The id of a record is the address itself, so no address can be given twice: two
// commits that try meet in one key. Nothing else is written when an address is
// handed out, so orders out of one pool do not wait for each other.
//
// # Choosing
//
// The lowest free slot comes first. [Space.Vacant] finds it by halving the sorted
// addresses that have a record, whatever the size of the prefix: there is a gap
// before an address when fewer have a record than there is room for below it.
package address
