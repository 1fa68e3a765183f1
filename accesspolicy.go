package caddysync

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/caddysync/caddy-sync/auth"
	"github.com/caddysync/caddy-sync/syncstore"
)

// The policies that are words.
const (
	// accessShared: whoever is signed in sees and changes all documents.
	accessShared = "shared"
	// accessPrivate: a document belongs to the user who made it.
	accessPrivate = "private"
	// accessChannels: a document is in the channels that its member `channels` names.
	accessChannels = "channels"
)

var accessWords = []string{accessShared, accessPrivate, accessChannels}

// unreadable documents are answered as missing, or both as forbidden.
const (
	unreadableNotFound  = "not_found"
	unreadableForbidden = "forbidden"
)

var unreadableWords = []string{unreadableNotFound, unreadableForbidden}

// errTwoPolicies says what to write where both kinds of a policy stand.
var errTwoPolicies = errors.New("access and sync_function exclude each other: keep the one that is to judge writes")

// defaultName is the name of the default scope and of its default collection.
const defaultName = "_default"

// AccessPolicy says who sees and changes which documents: a word or a function, not both.
type AccessPolicy struct {
	// `shared`: everybody who may come in, guests too, sees and changes all documents. `private`: a
	// document belongs to the user who made it, who alone sees and changes it, besides
	// administrators. `channels`: the document's member `channels`, a string or an array of
	// strings, says in which channels it is, and users see what is in theirs. In a database
	// it has to be stated where guests come in, or a provider registers everybody who has an
	// account there.
	// Default: shared; for a collection: the database's, unless that is a function.
	Access string `json:"access,omitempty"`

	// A file with a sync function in JavaScript: it accepts or refuses each write, puts the
	// document into channels and gives users channels and roles. It is read again when it
	// changes; a bad new one keeps the old. Default: none.
	SyncFunction string `json:"sync_function,omitempty"`

	// The views that users may query, each as `design/view`: they get the rows of documents that
	// they see. `design/*` stands for all views of a design document, `*` for all there are.
	// Default: none, so that only administrators query.
	UserViews []string `json:"user_views,omitempty"`
}

// Collection is what a database's collection has of its own.
type Collection struct {
	AccessPolicy
}

// GuestAccess is what requests without credentials may do.
type GuestAccess struct {
	// The channels of the default collection that guests have. Default: none but `!`.
	Channels []string `json:"channels,omitempty"`

	// Their channels in other collections, by the collection's name, with its scope if
	// that is not the default one. Default: none but `!`.
	Collections map[string][]string `json:"collections,omitempty"`

	// Whether guests only read. Default: false.
	ReadOnly bool `json:"read_only,omitempty"`
}

// collectionKey is a collection by its names, "_default" written out.
type collectionKey struct{ scope, name string }

func (k collectionKey) String() string {
	if k.scope == defaultName {
		return k.name
	}
	return k.scope + "." + k.name
}

// keyspace is the collection as paths name it.
func (k collectionKey) keyspace(database string) string {
	if k == defaultCollection {
		return database
	}
	return database + "." + k.scope + "." + k.name
}

var defaultCollection = collectionKey{defaultName, defaultName}

// parseCollection reads the name of a collection with or without its scope.
func parseCollection(name string) (collectionKey, error) {
	k := collectionKey{defaultName, name}
	if scope, rest, found := strings.Cut(name, "."); found {
		k = collectionKey{scope, rest}
	}
	if k == defaultCollection {
		return k, errors.New("the default collection is the database itself: write its access or sync_function into the database")
	}
	if !syncstore.ValidCollection(k.scope, k.name) {
		return k, fmt.Errorf("collection %q: write a name like items or shop.items, of letters, digits and _%%-, that begins with none of _ and %%", name)
	}
	return k, nil
}

// stated reports whether the configuration says something about access.
func (p *AccessPolicy) stated() bool { return p.Access != "" || p.SyncFunction != "" }

func (p *AccessPolicy) validate() error {
	switch {
	case p.Access != "" && p.SyncFunction != "":
		return errTwoPolicies
	case p.Access != "" && !slices.Contains(accessWords, p.Access):
		return errUnknownAccess(p.Access)
	}
	for _, name := range p.UserViews {
		if err := validUserView(name); err != nil {
			return err
		}
	}
	return nil
}

func errUnknownAccess(word string) error {
	return fmt.Errorf("unknown access %q: write access shared, access private, access channels, or sync_function and a file", word)
}

// collections are the database's collections beside the default one, with their policies.
// A word of the database is theirs too. A function of the database is not: it was written
// for other documents. Without it they would be open to all, so that they have to say.
func (d *Database) collections() (map[collectionKey]AccessPolicy, error) {
	all := make(map[collectionKey]AccessPolicy, len(d.Collections))
	for _, name := range sortedKeys(d.Collections) {
		k, err := parseCollection(name)
		if err != nil {
			return nil, err
		}
		if _, twice := all[k]; twice {
			return nil, fmt.Errorf("collection %s is defined twice", k)
		}
		var policy AccessPolicy
		if c := d.Collections[name]; c != nil {
			policy = c.AccessPolicy
		}
		if err := policy.validate(); err != nil {
			return nil, fmt.Errorf("collection %s: %w", k, err)
		}
		if !policy.stated() && d.SyncFunction != "" {
			return nil, fmt.Errorf("collection %s: the database's sync_function is not for its collections: "+
				"write access … or sync_function into the collection", k)
		}
		if !policy.stated() {
			policy.Access = d.Access
		}
		all[k] = policy
	}
	return all, nil
}

// validateAccess refuses what cannot be of who sees what.
func (d *Database) validateAccess() error {
	if err := d.AccessPolicy.validate(); err != nil {
		return err
	}
	collections, err := d.collections()
	if err != nil {
		return err
	}
	if d.Unreadable != "" && !slices.Contains(unreadableWords, d.Unreadable) {
		return fmt.Errorf("unknown unreadable %q: write not_found or forbidden", d.Unreadable)
	}
	return d.validateGuests(collections)
}

// validateGuests refuses what cannot be of guests.
func (d *Database) validateGuests(collections map[collectionKey]AccessPolicy) error {
	if d.GuestAccess != nil {
		if err := d.validateGuestAccess(collections); err != nil {
			return err
		}
	}
	// Everybody is a guest, as everybody is a user of a provider that registers whoever comes (DECISIONS 8).
	if d.Guest && !d.stated() {
		return errors.New("guest: nothing is said of who sees what, so that everybody would read and write all of it: " +
			"write access channels, access private or a sync_function, or access shared if that is what you want")
	}
	return nil
}

func (d *Database) validateGuestAccess(collections map[collectionKey]AccessPolicy) error {
	if !d.Guest {
		return errors.New("guest_access without guest: add `\"guest\": true`, or nobody comes in as a guest")
	}
	if err := checkLiteral("guest: channels", d.GuestAccess.Channels...); err != nil {
		return err
	}
	if err := checkLiteralClaims("guest: collection", d.GuestAccess.Collections); err != nil {
		return err
	}
	if err := d.checkGuestChannels("channels", d.GuestAccess.Channels); err != nil {
		return err
	}
	for _, name := range sortedKeys(d.GuestAccess.Collections) {
		k, err := parseCollection(name)
		if err != nil {
			return fmt.Errorf("guest: %w", err)
		}
		policy, ok := collections[k]
		if !ok {
			return fmt.Errorf("guest: there is no collection %s: write `collection %s` into the database", k, k)
		}
		if err := policy.checkGuestChannels("collection "+k.String(), d.GuestAccess.Collections[name]); err != nil {
			return err
		}
	}
	return nil
}

// checkGuestChannels refuses channels for guests where channels decide nothing: whoever wrote them
// does not mean everything to be open.
func (p *AccessPolicy) checkGuestChannels(what string, channels []string) error {
	if len(channels) == 0 || p.Access != accessShared {
		return nil
	}
	return fmt.Errorf("guest: %s %s: access is shared there, so that guests see everything, whatever their channels: "+
		"write access channels or a sync_function, or leave the channels out", what, strings.Join(channels, " "))
}

// guest is what auth has to know of guests.
func (d *Database) guest(p *auth.Policy) {
	p.Guest = d.Guest
	if d.GuestAccess == nil {
		return
	}
	p.GuestReadOnly, p.GuestChannels = d.GuestAccess.ReadOnly, d.GuestAccess.Channels
	p.GuestCollections = auth.CollectionGrants{}
	for name, channels := range d.GuestAccess.Collections {
		k, err := parseCollection(name)
		if err != nil {
			continue // validateAccess refuses it
		}
		if p.GuestCollections[k.scope] == nil {
			p.GuestCollections[k.scope] = map[string][]string{}
		}
		p.GuestCollections[k.scope][k.name] = channels
	}
}
