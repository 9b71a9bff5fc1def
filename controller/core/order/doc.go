// Package order owns what is sold and bought: processing modules, tariffs,
// orders and services, and the rules that accept or refuse them. Pure.
package order
