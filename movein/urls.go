package movein

import (
	"cmp"
	"errors"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/caddysync/caddy-sync/replication/peer"
	"github.com/caddysync/caddy-sync/syncstore/jsondoc"
)

// last is the last segment of a URL's path, unescaped: the name of the database, or keyspace.
func last(u *url.URL) string { return u.Path[strings.LastIndexByte(u.Path, '/')+1:] }

// defaultName is the scope, and the collection in it, that a database has by itself.
const defaultName = "_default"

// isKeyspace reports whether a URL names a collection of a database: names of databases have no dot.
func isKeyspace(u *url.URL) bool { return strings.Contains(last(u), ".") }

// collectionOf is the one that a URL names, both "" for the default one of a database.
func collectionOf(u *url.URL) (scope, collection string) {
	switch parts := strings.Split(last(u), "."); len(parts) {
	case 1:
	case 2:
		scope, collection = defaultName, parts[1]
	default:
		scope, collection = parts[1], parts[2]
	}
	if scope == defaultName && collection == defaultName {
		return "", ""
	}
	return scope, collection
}

// above is a URL without its last segment: the server of a database.
func above(u *url.URL) *url.URL {
	up := *u
	path := u.EscapedPath()
	up.RawPath = path[:max(strings.LastIndexByte(path, '/'), 0)]
	up.Path, _ = url.PathUnescape(up.RawPath) // it was escaped by EscapedPath
	return &up
}

// below is a URL with a further segment, escaped.
func below(u *url.URL, segment string) *url.URL { return appended(u, "/"+segment) }

// appended is a URL with text, escaped, behind its path.
func appended(u *url.URL, text string) *url.URL {
	longer := *u
	longer.RawPath = u.EscapedPath() + text
	longer.Path, _ = url.PathUnescape(longer.RawPath) // likewise
	return &longer
}

// quoted is a text as a key in a query: a JSON string.
func quoted(text string) string { return string(jsondoc.AppendString(nil, text)) }

// status is that of an answer which refuses, 0 if err is none.
func status(err error) int {
	if answer, ok := errors.AsType[*peer.StatusError](err); ok {
		return answer.Status
	}
	return 0
}

func sorted[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
