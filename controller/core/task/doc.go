// Package task owns the work that only a person can do: who should do it, why,
// and when it is no longer needed (rule X6). Pure.
package task
