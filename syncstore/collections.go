package syncstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

// defaultName is the scope and the collection that every database has.
const defaultName = "_default"

// collectionName is Couchbase's rule for names of scopes and collections.
var collectionName = regexp.MustCompile(`^[A-Za-z0-9-][A-Za-z0-9_%-]{0,250}$`)

// collectionID is a scope and a collection by name.
type collectionID struct{ scope, name string }

func newCollectionID(scope, name string) collectionID {
	if scope == "" {
		scope = defaultName
	}
	if name == "" {
		name = defaultName
	}
	return collectionID{scope, name}
}

func (c collectionID) String() string { return c.scope + "." + c.name }

// valid reports whether a collection may be made with the name. Nothing but
// _default._default may begin with an underscore, except that the scope _default holds
// others too.
func (c collectionID) valid() bool {
	return (c.scope == defaultName || collectionName.MatchString(c.scope)) && collectionName.MatchString(c.name)
}

// ValidCollection reports whether a database may have a collection of these names beside
// _default._default; "" stands for _default.
func ValidCollection(scope, name string) bool { return newCollectionID(scope, name).valid() }

// Collection returns a collection that the database has; "" stands for _default. It reads
// no storage.
func (d *Database) Collection(scope, name string) (*Collection, bool) {
	id := newCollectionID(scope, name)
	if id == newCollectionID("", "") {
		return &d.main, true
	}
	c, ok := (*d.collections.Load())[id]
	return c, ok
}

// Default returns the collection _default._default.
func (d *Database) Default() *Collection { return &d.main }

// Collections returns all collections of the database, the default one first and the others
// by name. It reads no storage.
func (d *Database) Collections() []*Collection {
	others := slices.SortedFunc(maps.Values(*d.collections.Load()), func(a, b *Collection) int {
		return cmp.Or(cmp.Compare(a.id.scope, b.id.scope), cmp.Compare(a.id.name, b.id.name))
	})
	return append([]*Collection{&d.main}, others...)
}

// OpenCollection returns a collection, and makes it if the database does not have it yet.
// ErrBadCollectionName, ErrNoDatabase.
func (d *Database) OpenCollection(ctx context.Context, scope, name string) (*Collection, error) {
	if c, ok := d.Collection(scope, name); ok {
		return c, nil
	}
	id := newCollectionID(scope, name)
	if !id.valid() {
		return nil, fmt.Errorf("%w: %q", ErrBadCollectionName, id)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var c *Collection
	set := &changeSet{db: d, apply: func(tx *overlay) error {
		if err := checkLive(tx, d.scope.db); err != nil {
			return err
		}
		names, err := readCollections(tx.get, d.scope)
		if err != nil {
			return err
		}
		number, known := names[id]
		if !known {
			number = uint32(len(names) + 1)
			names[id] = number
			tx.put(d.scope.names(), encodeCollections(names))
		}
		c = newCollection(d, id, number)
		return nil
	}, after: func() {
		d.store.policies.publish(func() { c = d.addCollection(c) }, c)
	}}
	d.store.committer.commit(set)
	if set.err != nil {
		return nil, fmt.Errorf("making collection %q: %w", id, set.err)
	}
	return c, nil
}

// addCollection keeps a collection; if somebody else was first, that one.
func (d *Database) addCollection(c *Collection) *Collection {
	for {
		before := d.collections.Load()
		if known, ok := (*before)[c.id]; ok {
			return known
		}
		after := maps.Clone(*before)
		after[c.id] = c
		if d.collections.CompareAndSwap(before, &after) {
			return c
		}
	}
}

func newCollection(d *Database, id collectionID, number uint32) *Collection {
	c := &Collection{db: d, store: d.store, id: id, scope: scope{db: d.scope.db, collection: number}}
	c.SetPolicy(Policy{})
	return c
}

// byNumber returns the collection that a key belongs to.
func (d *Database) byNumber(number uint32) (*Collection, error) {
	if number == 0 {
		return &d.main, nil
	}
	for _, c := range *d.collections.Load() {
		if c.scope.collection == number {
			return c, nil
		}
	}
	return nil, fmt.Errorf("%w: there is no collection %d", ErrDamaged, number)
}

// ScopeName is the name of the collection's scope.
func (c *Collection) ScopeName() string { return c.id.scope }

// Name is the collection's name in its scope.
func (c *Collection) Name() string { return c.id.name }

// names is the key of the names of a database's collections.
func (s scope) names() []byte { return s.whole().prefix(kindNames, 0) }

const collectionsFormat = 1

func encodeCollections(names map[collectionID]uint32) []byte {
	e := encoder{}
	e.byte(collectionsFormat)
	e.uvarint(uint64(len(names)))
	for id, number := range names {
		e.text(id.scope)
		e.text(id.name)
		e.uvarint(uint64(number))
	}
	return e.b
}

func readCollections(get func([]byte) ([]byte, error), s scope) (map[collectionID]uint32, error) {
	names := make(map[collectionID]uint32)
	record, err := get(s.names())
	if errors.Is(err, engine.ErrNotFound) {
		return names, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the names of collections: %w", err)
	}
	d := decoder{b: record}
	if format := d.byte(); format != collectionsFormat && d.err == nil {
		return nil, fmt.Errorf("%w: format %d of the names of collections", ErrDamaged, format)
	}
	for range d.count(3) {
		id := collectionID{d.text(), d.text()}
		names[id] = uint32(d.uvarint())
	}
	return names, d.end()
}

// Keyspace names the collection as paths do: by its database, and by its scope and its own name
// if it is not the default one.
func (c *Collection) Keyspace() string {
	if c.id == newCollectionID("", "") {
		return c.db.name
	}
	return c.db.name + "." + c.id.String()
}
