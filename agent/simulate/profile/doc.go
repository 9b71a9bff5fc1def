// Package profile invents servers: plausible inventories with the mix of vendors, processors,
// memory, disks and ports that data centres have. The shares were estimated from public dumps of
// server hardware; servers come in batches of equal ones, as they are bought. Nothing is copied from them, and every serial number, UUID and MAC is made up.
//
// [Generate] is pure: the same seed and number give the same machine for ever, so that a simulated
// fleet has the same servers after a restart. Identities never meet: two numbers of one seed differ in
// UUID, serials and MACs. MACs and UUIDs are marked as locally administered and random (RFC 9542,
// RFC 9562), so that they are nobody's.
package profile
