package inspect

// machine is the system that is looked at.
type machine struct {
	root string // "" is the running one
}

func newMachine(root string) *machine { return &machine{root: root} }
