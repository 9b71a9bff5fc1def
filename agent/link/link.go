package link

// Link is one agent's connection to its fleet.
type Link struct {
	opt Options
}
