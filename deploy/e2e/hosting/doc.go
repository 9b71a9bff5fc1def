// Package hosting walks through hosting as customers and operators do: a controller, the agent of a node, and the daemons that Debian has, with the configuration that Debian
// gives them, in a world of the test's own ([hostingtest.Alone]).
package hosting
