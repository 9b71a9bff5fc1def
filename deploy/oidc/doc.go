// Package oidc tests logins through a provider against a provider that is not ours: the OpenID Provider of zitadel/oidc with the
// login page of its example. It is a module of its own, so that nothing of that comes into the controller's.
package oidc
