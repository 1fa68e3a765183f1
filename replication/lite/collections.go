package lite

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/caddysync/caddy-sync/replication/blip"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/jsondoc"
)

// maxCollections is how many collections a connection may name.
const maxCollections = 1000

// getCollections says which of the collections that a client names there are, with its
// checkpoint in each. From then on every message names its collection by its place in the
// list (reference/blip.md 3.3).
func (r *replication) getCollections(_ *keyspace, q *blip.Request) error {
	ids, names, err := parseGetCollections(q.Body)
	if err != nil {
		return err
	}
	named := make([]*keyspace, len(names))
	seen := make(map[*syncstore.Collection]struct{}, len(names))
	body := []byte{'['}
	for i, name := range names {
		scope, collection, ok := splitCollection(name)
		if !ok {
			return refuse(http.StatusBadRequest, "getCollections names a collection that cannot be: write name or scope.name.")
		}
		if i > 0 {
			body = append(body, ',')
		}
		c, ok := r.peer.Collection(scope, collection)
		if !ok {
			body = append(body, "null"...)
			continue
		}
		if _, twice := seen[c]; twice {
			return refuse(http.StatusBadRequest, "getCollections names a collection twice.")
		}
		seen[c] = struct{}{}
		named[i] = newKeyspace(r, c, i)
		if body, err = r.appendCheckpoint(body, c, ids[i]); err != nil {
			return later("The checkpoints cannot be read at the moment.", err)
		}
	}
	if err := r.name(named); err != nil {
		return err
	}
	q.Reply(&blip.Message{Properties: jsonProperties(), Body: append(body, ']'), Compressed: true})
	return nil
}

// name sets what messages name by numbers. What runs already would lose its number.
func (r *replication) name(named []*keyspace) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.followed > 0 {
		return refuse(http.StatusConflict, "getCollections came while changes are followed.")
	}
	r.named = named
	return nil
}

// names reports whether messages name a collection. r.mu is held.
func (r *replication) names(ks *keyspace) bool {
	if r.named == nil {
		return ks == r.fallback
	}
	return slices.Contains(r.named, ks)
}

// appendCheckpoint appends a client's checkpoint with its revision as the member "rev", or {}
// if there is none.
func (r *replication) appendCheckpoint(b []byte, c *syncstore.Collection, id string) ([]byte, error) {
	doc, err := c.GetLocal(r.ctx, r.owner(), checkpointPrefix+id)
	if errors.Is(err, syncstore.ErrNotFound) || errors.Is(err, syncstore.ErrBadID) {
		return append(b, "{}"...), nil
	}
	if err != nil {
		return b, err
	}
	b = append(b, `{"rev":"`...)
	b = append(b, doc.Rev...)
	b = append(b, '"')
	if members := membersOf(doc.Body); len(members) > 0 {
		b = append(append(b, ','), members...)
	}
	return append(b, '}'), nil
}

// parseGetCollections reads {"checkpoint_ids":[…],"collections":[…]}.
func parseGetCollections(body []byte) (ids, names []string, err error) {
	err = jsondoc.Members(body, func(name string, value []byte) (err error) {
		switch name {
		case "checkpoint_ids":
			ids, err = stringList(value)
		case "collections":
			names, err = stringList(value)
		}
		return err
	})
	switch {
	case err != nil:
		return nil, nil, refuse(http.StatusBadRequest, "getCollections needs a JSON object with the lists checkpoint_ids and collections.")
	case len(ids) != len(names) || len(names) == 0:
		return nil, nil, refuse(http.StatusBadRequest, "checkpoint_ids and collections of getCollections must be equally long, and not empty.")
	case len(names) > maxCollections:
		return nil, nil, refuse(http.StatusBadRequest, "getCollections names too many collections.")
	}
	return ids, names, nil
}

// stringList reads a list of strings.
func stringList(text []byte) (list []string, err error) {
	list = []string{}
	err = jsondoc.Elements(text, func(value []byte) error {
		s, err := jsondoc.String(value)
		list = append(list, s)
		return err
	})
	return list, err
}

// splitCollection reads "name" or "scope.name".
func splitCollection(text string) (scope, name string, ok bool) {
	scope, name, dotted := strings.Cut(text, ".")
	if !dotted {
		scope, name = defaultName, text
	}
	return scope, name, scope != "" && name != "" && !strings.Contains(name, ".")
}

// jsonProperties say that a body is JSON.
func jsonProperties(more ...blip.Property) blip.Properties {
	return append(more, blip.Property{Name: "Content-Type", Value: "application/json"})
}
