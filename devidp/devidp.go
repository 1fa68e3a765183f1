// Package devidp is an OpenID Connect provider for development, as the Caddy handler
// directive sync_dev_idp: whoever sits at the machine picks a user from a list and is
// signed in as that user, without a password.
//
// It exists so that a newcomer can try a sync server without an account anywhere, and
// so that tests can have tokens of every kind. It must never be reachable by anybody
// else: it answers loopback clients only (DECISIONS 10) and says so at load.
//
// The protocol is zitadel/oidc's; what is here are the rules of a development provider,
// the login form, the memory of logins, and the keys.
package devidp
