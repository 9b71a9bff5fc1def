// Package oidc asks an OpenID Connect provider who somebody is: the code flow with PKCE (RFC 7636) and a nonce. It
// keeps nothing and decides nothing; what the person may do is a matter of package access, and his user of intake.
//
// Every answer is bounded in size and time, its server's certificate is verified, and what a provider says is believed
// only if it signed it for us, now, and for this login. The library verifies signatures; whoever calls keeps
// state, nonce and verifier of a login together.
package oidc
