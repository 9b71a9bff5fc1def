// Package subscription owns what one customer bought: a service plan with add-ons, or nothing of the kind ("Custom"), what was set on it beside
// them, and how all of it becomes the values that his account has (rules P3 to P18).
//
// A subscription holds a copy of the version of each offer that it was synced with, so its values change only by a deed upon it, never
// because an offer was edited. Every deed is a function from a subscription to the next one; none of them fails half way, and each may be
// repeated with the same result. What the node cannot provide is never asked of it: the value is then the part that is available, and the
// subscription is unsynced until the promise can be kept or somebody takes what there is (P15).
//
// Three regions live side by side (P7): locked or following, unsynced or synced, and suspended for a set of reasons or active. No deed on one
// changes another, with one exception that P8 wants: a value of one's own locks.
//
// Overuse (P18) is judged from what whoever counts disk space and traffic says there is: [Subscription.Judge] suspends and lifts that, [Subscription.Warn] says who
// is to be told, once in a month for each limit. Both are called for every new figure, in one place: intake.FollowOffer.
//
// It knows no clock, no store and no account. [Preview] runs the same functions as the sync that follows, and so cannot tell anything else.
package subscription
