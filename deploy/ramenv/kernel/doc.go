// Package kernel fetches Debian's kernel as a package file and unpacks it beside the build; it is never
// installed. The version is whatever Debian offers: nothing here names one.
package kernel
