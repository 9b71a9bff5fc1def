// Package usage has the rules of what accounts used: which months there are, and how what nodes say becomes one sum (rules U1, U7, C21, C23). Values in, values out.
package usage
