// Package diagnosis tests diagnostics inside virtual machines: with drives, a management controller and a smartctl that
// are not made of the same code.
package diagnosis
