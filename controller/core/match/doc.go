// Package match finds the server for an order: the one that fits exactly, or the
// one that is closest, with the list of parts that would make it fit.
//
// It owns the distance between a configuration and a wish ([Compare], [Ruler]),
// the [Catalogue] of available servers, and the choice among processing modules
// ([Pick]). It reads no clock, no network and no store, writes no log, and never
// decides who is available: a server that is not put into the catalogue does not
// exist for it.
//
// # Distance
//
// The distance is the estimated rework: the price, in points, of the cheapest set
// of part changes that turns the candidate into what was ordered. Location,
// server type (where one is demanded) and processor architecture are hard; what a
// wish leaves zero may be anything. [DefaultWeights] are the published prices; a
// module may carry its own. A distance of 0 is an exact fit and the other way
// round, which is why an addition or a swap may not cost nothing.
//
// The five attributes (processors, memory, disks, ports, GPUs) are priced on
// their own and added up. Within one, parts that fit stay, as many as possible (a
// maximum flow between the groups, so that a part described loosely does not take
// the only fit of one described strictly); what is left over is swapped against
// what is missing, or removed and added. Since a swap costs the same whichever
// parts it is made of, this is the optimum of all assignments, and the tests
// compare it with all permutations.
//
// More parts than ordered are removed at a price. Where that price is 0 (network
// ports, unless a module says otherwise: most are on the board) they stay and
// count as surplus only. Memory that is ordered as a total is reached by the
// cheapest of the plausible refits listed in docs/matching.md.
//
// Equal distances are decided by fewer parts to touch, less surplus, longest
// free, id. The answer depends on nothing else: not on the order of input, of
// groups, or of goroutines.
//
// # Catalogue
//
// Servers of equal location, type and configuration form a class; classes share
// the values of single attributes (facets). A search prices each facet once, adds
// up five numbers per class, passes whole racks of classes whose processors alone
// cost more than the best so far, and never looks at a server. An order that says
// everything finds its class by one hash. The time of a search grows with the
// classes in a location, not with its servers.
//
// Methods of the catalogue may be called from any goroutine. Take is atomic; of
// many callers one gets the server. A taken server is out of sight until it is
// released or removed, whatever is put meanwhile: a view of the store that lags
// behind cannot hand it out twice.
package match
