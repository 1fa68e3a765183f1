package movein

import (
	"errors"
	"time"

	"github.com/caddysync/caddy-sync/replication/peer"
)

// Kind is what is moved from.
type Kind string

// The kinds of servers.
const (
	// CouchDB is CouchDB, Cloudant, PouchDB Server and what else has their interface.
	CouchDB Kind = "couchdb"
	// SyncGateway is Couchbase Sync Gateway, by its public or its admin port.
	SyncGateway Kind = "sync-gateway"
)

var (
	// ErrDifferent: not everything is at the target as it is at the source.
	ErrDifferent = errors.New("not everything is here as it is there")
	// ErrBadSource: what answers is not what was said.
	ErrBadSource = errors.New("the source")
)

// Teller tells whoever waits what is done.
type Teller interface {
	// Say writes a line of the result.
	Say(format string, args ...any)
	// Progress shows how far something is. total is 0 if that is not known.
	Progress(what string, done, total uint64)
}

// Options say what is moved.
type Options struct {
	Kind Kind
	// Source and Target are the databases, or one keyspace each. The target is one of this kind of
	// server, by its administrators' site.
	Source, Target peer.Remote
	// NoUsers leaves users and roles.
	NoUsers bool
	// CheckOnly writes nothing, and compares what is there.
	CheckOnly bool
	// Save keeps a text, such as a sync function, under a name that has no path, and says where.
	// nil: it is only said that there is one.
	Save func(name, text string) (where string, err error)
	// Batch is how many changes are looked at at once. Default: 200.
	Batch int
	// Patience is how long a server may say nothing before a request is given up. Default: 90 s.
	Patience time.Duration
	// MinDelay is how long is waited after a first failure. Default: 1 s.
	MinDelay time.Duration
	// Teller must not be nil.
	Teller Teller
}
