// Package access owns who may do what: users, tokens, roles, and the one table
// from role to permission (rule X7), and the audit record (X8). Secrets are
// kept as digests only (X9). Pure.
package access
