// Package stock knows, on every replica, which servers can be given away and why
// the others cannot: it follows the store and keeps [fleet.Index] and
// [match.Catalogue] up to date, one changed record at a time. It decides nothing and
// writes nothing; after a restart it builds itself anew from the first snapshot.
package stock
