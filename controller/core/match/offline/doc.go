// Package offline answers an order from files, without a fleet: which of these
// machines fits, or which is the closest and what it lacks. It turns bytes into
// values and values into an answer; reading files and printing is the caller's.
//
// # Inventory file
//
// One JSON value, an array, or any number of values one after the other (JSON
// lines). An object with "items" stands for its elements, so that lists of the
// API can be used as they are. Each element is one of
//
//	{"schema": 1, "cpus": […], …}                        what an agent reports
//	{"id": …, "location": …, "inventory": {…}}           the same, with a name
//	{"id": …, "location": …, "server_type": …,
//	 "free_since": …, "configuration": {…}}              what is compared, directly
//	{"arch": …, "memory_bytes": …, "disks": […], …}      a configuration alone
//
// Further fields are ignored. A machine without an id is called by its serial
// number, UUID or host name, else by its place in the file. A machine without a
// location is taken to stand where the order wants it.
//
// # Order file
//
//	{"location": …, "server_type": …, "configuration": {…}, "weights": {…}}
//
// or a configuration alone. What is left out may be anything; weights that are
// left out are the published ones. Here an unknown field is an error, since a
// misspelt part would otherwise be no demand at all.
//
// In both files a size in bytes may be written as text: "64 GiB", "1.92TB".
package offline
