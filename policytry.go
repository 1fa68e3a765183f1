package caddysync

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/caddysync/caddy-sync/access"
	"github.com/caddysync/caddy-sync/replication/rest"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/jsondoc"
)

// ofREST is what administrators may ask of how writes to a database's collections are judged.
func (p policies) ofREST(database string) func(scope, name string) rest.CollectionPolicy {
	return func(scope, name string) rest.CollectionPolicy {
		policy := p.find(database, collectionKey{scope, name})
		if policy == nil {
			return rest.CollectionPolicy{Closed: true}
		}
		current := policy.current.Load()
		if current.evaluator == nil {
			return rest.CollectionPolicy{UserView: policy.userView}
		}
		return rest.CollectionPolicy{
			SyncFunction: current.source, UserView: policy.userView,
			Try: func(ctx context.Context, body []byte) ([]byte, error) {
				return tryWrite(ctx, current.evaluator, body)
			},
		}
	}
}

// tryWrite answers POST /{keyspace}/_sync.
func tryWrite(ctx context.Context, evaluator syncstore.Evaluator, body []byte) ([]byte, error) {
	var attempt access.Attempt
	read := json.NewDecoder(bytes.NewReader(body))
	read.DisallowUnknownFields()
	if err := read.Decode(&attempt); err != nil {
		return nil, fmt.Errorf(`%w: write {"doc":{…},"oldDoc":{…},"userCtx":{"name":"…","roles":[…],"channels":[…]}}: %w`, rest.ErrBadTry, jsondoc.Explain(err))
	}
	trial, err := access.Try(ctx, evaluator, attempt)
	if err != nil && ctx.Err() == nil && !errors.Is(err, context.DeadlineExceeded) {
		return nil, fmt.Errorf("%w: %w", rest.ErrBadTry, err)
	}
	if err != nil {
		return nil, err
	}
	return json.Marshal(trial)
}
