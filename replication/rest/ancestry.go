package rest

import (
	"slices"
	"strconv"

	"github.com/caddysync/caddy-sync/syncstore"
)

// ancestry says how much of a revision's ancestry a client wants. Couchbase Lite 1 names
// what it knows, or how much it keeps.
type ancestry struct {
	most  int       // revisions, 0: all
	known knownRevs // up to the newest of these
}

// knownRevs are revisions that a client says it knows, in order: a request may name as many of them as there
// is room for, and each ancestor of each revision that it wants is looked for.
type knownRevs []syncstore.Rev

// parseKnownRevs reads a JSON array of at most so many revisions; nil for "".
func parseKnownRevs(text, parameter string, most int) (knownRevs, error) {
	revs, err := parseRevList(text, parameter, most)
	slices.SortFunc(revs, syncstore.Rev.Compare)
	return revs, err
}

func (k knownRevs) has(rev syncstore.Rev) bool {
	_, found := slices.BinarySearchFunc(k, rev, syncstore.Rev.Compare)
	return found
}

// newestOf is the generation of the newest revision in a history that is known, 0 if none is.
func (k knownRevs) newestOf(history []syncstore.Rev) uint64 {
	for _, rev := range history {
		if k.has(rev) {
			return rev.Gen
		}
	}
	return 0
}

// parseQuery reads revs_limit and revs_from of a URL.
func (a *ancestry) parseQuery(rq *request) error {
	if text := rq.query.Get("revs_limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return badRequest("revs_limit must be a number of revisions.")
		}
		a.most = n
	}
	known, err := parseKnownRevs(rq.query.Get("revs_from"), "revs_from", maxNamed)
	a.known = known
	return err
}

// parseMember reads a member of an entry of _bulk_get, which goes before the URL. It may name at most so many
// revisions.
func (a *ancestry) parseMember(name string, value []byte, most int) (err error) {
	switch {
	case string(value) == "null":
	case name == "revs_limit":
		if a.most, err = strconv.Atoi(string(value)); err != nil || a.most < 0 {
			return badRequest("revs_limit must be a number of revisions.")
		}
	default:
		a.known, err = parseKnownRevs(string(value), name, most)
	}
	return err
}

// or is a, or else what b says where a says nothing.
func (a ancestry) or(b ancestry) ancestry {
	if a.most == 0 {
		a.most = b.most
	}
	if a.known == nil {
		a.known = b.known
	}
	return a
}

// cut leaves of a history, newest first, what is wanted; the newest revision always.
func (a *ancestry) cut(history []syncstore.Rev) []syncstore.Rev {
	for i, rev := range history {
		if i > 0 && a.known.has(rev) {
			history = history[:i+1]
			break
		}
	}
	if a.most > 0 && len(history) > a.most {
		history = history[:a.most]
	}
	return history
}
