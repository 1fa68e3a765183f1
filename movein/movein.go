package movein

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/caddysync/caddy-sync/replication/peer"
)

// move is one that is under way.
type move struct {
	Options
	source, target *peer.Client
	// admin: the source is a Sync Gateway's admin port, or lets administrators in.
	admin bool
	// isGateway: the source says that it is a Sync Gateway.
	isGateway bool
	// unnamed: the source has no configuration of the database, which would name its collections.
	unnamed bool
	// failed: something is not here that should be.
	failed bool
}

// pair is a keyspace there and the one here that takes it.
type pair struct {
	from, to *url.URL
	// scope and collection name it at the source, both "" for the default one.
	scope, collection string
}

func newPair(from, to *url.URL) pair {
	p := pair{from: from, to: to}
	p.scope, p.collection = collectionOf(from)
	return p
}

func (p *pair) name() string {
	if p.collection == "" {
		return "the default collection"
	}
	return "the collection " + p.scope + "." + p.collection
}

// Run moves. ErrDifferent when all was done that could be, and something is not here.
func Run(ctx context.Context, o Options) error {
	m := &move{Options: o, source: peer.NewClient(&o.Source, o.Patience, o.MinDelay), target: peer.NewClient(&o.Target, o.Patience, o.MinDelay)}
	if err := m.greet(ctx); err != nil {
		return err
	}
	pairs, err := m.pairs(ctx)
	if err != nil {
		return err
	}
	for i := range pairs {
		if err := m.find(ctx, &pairs[i]); err != nil {
			return err
		}
	}
	if !o.CheckOnly {
		if err := m.beside(ctx, pairs); err != nil {
			return err
		}
	}
	for i := range pairs {
		if err := m.documents(ctx, &pairs[i]); err != nil {
			return err
		}
	}
	if m.failed {
		return ErrDifferent
	}
	return nil
}

// beside takes over what are no documents, and says what cannot be taken.
func (m *move) beside(ctx context.Context, pairs []pair) error {
	if m.Kind == SyncGateway {
		return m.gateway(ctx, pairs)
	}
	return m.couch(ctx)
}

// greet looks who answers at the source.
func (m *move) greet(ctx context.Context) error {
	var welcome struct {
		CouchDB string `json:"couchdb"`
		Vendor  struct {
			Name string `json:"name"`
		} `json:"vendor"`
		Admin   bool            `json:"ADMIN"`
		Express json.RawMessage `json:"express-pouchdb"`
	}
	text, err := m.source.At(above(m.Source.URL)).Text(ctx, "")
	switch s := status(err); {
	case s >= http.StatusInternalServerError && s != http.StatusNotImplemented || s == http.StatusTooManyRequests:
		if m.Kind == SyncGateway { // an admin port that is not known as one would be left without users and roles
			return fmt.Errorf("looking who answers at the source: %w", err)
		}
		return nil
	case s != 0:
		return nil // a proxy that passes on only the database
	case err != nil:
		return err
	}
	_ = json.Unmarshal([]byte(text), &welcome) // a site may have its own page there, which says nothing
	m.admin = welcome.Admin
	m.isGateway = strings.Contains(welcome.Vendor.Name, "Sync Gateway")
	switch {
	case m.Kind == CouchDB && m.isGateway:
		return fmt.Errorf("%w is a Sync Gateway: use `sync import sync-gateway`", ErrBadSource)
	case m.Kind == SyncGateway && (len(welcome.Express) > 0 || strings.Contains(welcome.Vendor.Name, "Apache")):
		return fmt.Errorf("%w is a CouchDB, or something like it: use `sync import couchdb`", ErrBadSource)
	}
	return nil
}

// find looks whether a pair is there.
func (m *move) find(ctx context.Context, p *pair) error {
	if err := m.source.At(p.from).JSON(ctx, http.MethodGet, "", nil, nil, nil); err != nil {
		return fmt.Errorf("looking for %s at the source: %w", p.name(), err)
	}
	err := m.target.At(p.to).JSON(ctx, http.MethodGet, "", nil, nil, nil)
	if status(err) == http.StatusNotFound {
		name := last(p.to)
		return fmt.Errorf("%s is not at the target: name it in the Caddyfile (docs/caddyfile.md), or make the database with PUT /%s where `database *` lets you", name, name)
	}
	if err != nil {
		return fmt.Errorf("looking for %s here: %w", p.name(), err)
	}
	return nil
}

// pairs are what is moved: of Sync Gateway, all collections of a database.
func (m *move) pairs(ctx context.Context) ([]pair, error) {
	whole := []pair{newPair(m.Source.URL, m.Target.URL)}
	if m.Kind != SyncGateway || isKeyspace(m.Source.URL) || isKeyspace(m.Target.URL) {
		return whole, nil
	}
	scopes, err := m.scopes(ctx)
	if err != nil {
		return nil, err
	}
	pairs := m.pairsOf(scopes, whole)
	if !m.admin || m.unnamed {
		m.tellPairs(pairs)
	}
	return pairs, nil
}

// pairsOf are the collections of scopes. Without any there is only the default one: whole.
func (m *move) pairsOf(scopes map[string]scope, whole []pair) (pairs []pair) {
	if len(scopes) == 0 {
		return whole
	}
	for _, scope := range sorted(scopes) {
		for _, collection := range sorted(scopes[scope].Collections) {
			if scope == defaultName && collection == defaultName {
				pairs = append(pairs, whole...)
				continue
			}
			suffix := "." + url.PathEscape(scope) + "." + url.PathEscape(collection)
			pairs = append(pairs, newPair(appended(m.Source.URL, suffix), appended(m.Target.URL, suffix)))
		}
	}
	return pairs
}
