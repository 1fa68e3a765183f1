package rest

import (
	"strings"

	"github.com/caddysync/caddy-sync/syncstore"
)

// routeMango finds where a path below a keyspace leads if it is one of queries by selectors or of
// their indexes. The first segment is unescaped; a design document's ID need not have its slash
// escaped.
func routeMango(first, rest string) (target, bool) {
	rest = strings.TrimSuffix(rest, "/")
	switch first {
	case "_find":
		return target{kind: kindFind}, rest == ""
	case "_explain":
		return target{kind: kindExplainFind}, rest == ""
	case "_index":
	default:
		return target{}, false
	}
	switch rest {
	case "":
		return target{kind: kindIndexes}, true
	case "_bulk_delete":
		return target{kind: kindIndexBulkDelete}, true
	}
	parts := strings.Split(strings.TrimPrefix(rest, syncstore.DesignPrefix), "/")
	if len(parts) != 3 {
		return target{kind: kindUnknown, doc: first}, true
	}
	for i, part := range parts {
		name, err := unescape(part)
		if err != nil {
			return target{err: badRequest("The path has a malformed percent escape.")}, true
		}
		parts[i] = name
	}
	return target{kind: kindIndex, doc: parts[0], part: parts[1], item: parts[2]}, true
}

// mangoActions are those of queries by selectors.
func mangoActions(k kind) (actions, bool) {
	switch k {
	case kindFind:
		return actions{post: action{do: (*Handler).find}}, true
	case kindExplainFind:
		return actions{post: action{do: (*Handler).explainFind}}, true
	case kindIndexes:
		return actions{get: action{do: (*Handler).listIndexes}, post: action{do: (*Handler).createIndex, write: true}}, true
	case kindIndexBulkDelete:
		return actions{post: action{do: (*Handler).deleteIndexes, write: true}}, true
	case kindIndex:
		return actions{delete: action{do: (*Handler).deleteIndex, write: true}}, true
	}
	return actions{}, false
}
