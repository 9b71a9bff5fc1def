// Package version says which build this is. The build stamps it; nothing else
// writes it. Agents, controllers and their metrics tell the same text.
package version

// Version is the text of `git describe` at build time, or "dev" when the program
// was built without the Makefile.
var Version = "dev"
