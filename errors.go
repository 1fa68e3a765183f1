package caddysync

import "errors"

var (
	// ErrRestartNeeded: an option was changed that a store can only take when it is
	// opened. The configuration is refused; the running one goes on.
	ErrRestartNeeded = errors.New("the store is open with other options: restart Caddy to change them")
	// ErrNotReady: a request came before the store was open, and waited in vain.
	ErrNotReady = errors.New("the store is not open yet")
	// ErrClosed: the request came through a configuration whose store is closed.
	ErrClosed = errors.New("the store is closed")
	// errReplaced: a newer configuration has come while one could not enter.
	errReplaced = errors.New("a newer configuration has come")
	// ErrLiteralSecret: a secret stands in the configuration itself (DECISIONS 15).
	ErrLiteralSecret = errors.New("a secret must be {env.NAME} or {file.PATH}, so that it stays out of the configuration that Caddy saves and shows")
	// ErrUnknownDatabase: a site names a database that no `database` block declares.
	ErrUnknownDatabase = errors.New("no such database in the sync option")
)
