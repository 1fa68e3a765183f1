// Package standin plays the identity providers of the examples: their discovery
// documents, key sets and tokens have the members and the oddities of the real ones. A
// server reaches them under their real names through a proxy on this machine, so that
// the examples' Caddyfiles are tested as they are.
package standin
