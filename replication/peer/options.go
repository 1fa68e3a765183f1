package peer

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/caddysync/caddy-sync/syncstore"
	"go.uber.org/zap"
)

// Direction is where a replication goes.
type Direction string

// The directions of a replication.
const (
	// Pull takes over what the other server has.
	Pull Direction = "pull"
	// Push gives the other server what is here.
	Push Direction = "push"
)

// Local is the collection of this server that a replication is about.
type Local struct {
	Database   *syncstore.Database
	Collection *syncstore.Collection
}

// Options say what a replication does.
type Options struct {
	// Name is what the configuration calls it, "" if it was asked for by a request.
	Name      string
	Direction Direction
	// Keyspace names the collection in answers and logs.
	Keyspace string
	// Open finds the collection, each time that the replication (re)starts.
	Open func() (Local, error)
	// Target is a database of another server that a Pull writes to, in place of what Open opens;
	// Open is nil then. Default: none.
	Target *Remote
	// ReadOnly writes nothing at the source of a Pull: the target alone keeps the checkpoint.
	ReadOnly bool
	// OnFailure, if not nil, is told of each revision that is given up, and why. It is called by
	// one goroutine at a time.
	OnFailure func(id, rev string, reason error)
	// Viewer is who reads and writes here; nil: an administrator.
	Viewer *syncstore.Viewer
	Remote Remote
	// Continuous goes on when everything is replicated, with what changes from then on.
	Continuous bool
	// CreateTarget makes the database of the other server if it is not there. Only for Push.
	CreateTarget bool
	// Channels limit a replication to documents of these channels. Default: all.
	Channels []string
	// DocIDs limit it to these documents. Default: all.
	DocIDs []string
	// Selector limits a Pull to documents that a Mango selector matches. Default: all.
	Selector json.RawMessage
	// Batch is how many changes are looked at at once. Default: 200.
	Batch int
	// Heartbeat is how often the other server is asked to say that it lives while nothing
	// changes. Default: 30 s.
	Heartbeat time.Duration
	// Patience is how long nothing may come, or go, before a request is given up. Default: a
	// minute, or three heartbeats.
	Patience time.Duration
	// MinDelay and MaxDelay bound how long a replication that failed waits. Default: 1 s and
	// 5 minutes.
	MinDelay, MaxDelay time.Duration
	// Attempts is how often a replication that is not continuous fails without progress before
	// it is given up. Default: 5.
	Attempts int
	// MaxDocument and MaxAttachment are the largest that are taken over. Default: 20 MiB and
	// 100 MiB.
	MaxDocument, MaxAttachment int64
	// Transport does the requests. Default: http.DefaultTransport's like.
	Transport http.RoundTripper
	Logger    *zap.Logger // default: no log
}

func (o *Options) setDefaults() error {
	switch {
	case o.Direction != Pull && o.Direction != Push:
		return errors.New("peer: a replication is a pull or a push")
	case (o.Open == nil) == (o.Target == nil) || o.Remote.URL == nil || o.Target != nil && o.Target.URL == nil:
		return errors.New("peer: a replication needs two sides")
	case o.Direction != Pull && (o.Target != nil || o.ReadOnly):
		return errors.New("peer: a push goes from here to there")
	case o.Selector != nil && (o.Direction != Pull || !json.Valid(o.Selector)):
		return errors.New("peer: a selector is for pulls, and JSON")
	case len(o.Channels) > 0 && (len(o.DocIDs) > 0 || o.Selector != nil) || len(o.DocIDs) > 0 && o.Selector != nil:
		return errors.New("peer: channels, documents and a selector exclude one another")
	}
	setDefault(&o.Batch, 200)
	setDefault(&o.Heartbeat, 30*time.Second)
	setDefault(&o.Patience, max(minPatience, 3*o.Heartbeat))
	setDefault(&o.MinDelay, time.Second)
	setDefault(&o.MaxDelay, 5*time.Minute)
	setDefault(&o.Attempts, 5)
	setDefault(&o.MaxDocument, 20<<20)
	setDefault(&o.MaxAttachment, 100<<20)
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	if o.Transport == nil {
		transport, ok := http.DefaultTransport.(*http.Transport)
		if !ok {
			return fmt.Errorf("peer: the default transport is a %T", http.DefaultTransport)
		}
		// A connection of its own, that no feed of another replication takes.
		o.Transport = transport.Clone()
	}
	return nil
}

func setDefault[T int | int64 | time.Duration](to *T, value T) {
	if *to <= 0 {
		*to = value
	}
}

// sides are how answers name the two sides.
func (o *Options) sides() (source, target string) {
	switch {
	case o.Target != nil:
		return o.Remote.URL.String(), o.Target.URL.String()
	case o.Direction == Pull:
		return o.Remote.URL.String(), o.Keyspace
	}
	return o.Keyspace, o.Remote.URL.String()
}
