package rest

import (
	"strings"

	"github.com/caddysync/caddy-sync/syncstore"
)

// routeDesign finds what is below a design document and is no attachment: views, and what is
// told of their index.
func routeDesign(id, rest string) (target, bool) {
	if !strings.HasPrefix(id, syncstore.DesignPrefix) {
		return target{}, false
	}
	first, rest, deeper := strings.Cut(rest, "/")
	switch {
	case first == "_info" && rest == "":
		return target{kind: kindDesignInfo, doc: id}, true
	case deeper && (first == "_show" || first == "_list" || first == "_update" || first == "_rewrite"):
		return target{kind: kindNotImplemented, item: first}, true
	case first != "_view" || !deeper || rest == "":
		return target{}, false
	}
	view, more, _ := strings.Cut(rest, "/")
	name, err := unescape(view)
	if err != nil {
		return target{err: badRequest("The path has a malformed percent escape.")}, true
	}
	switch more {
	case "":
		return target{kind: kindView, doc: id, item: name}, true
	case "queries":
		return target{kind: kindViewQueries, doc: id, item: name}, true
	}
	return target{kind: kindUnknown, doc: id}, true
}

// designActions are those of views.
func designActions(k kind) (actions, bool) {
	switch k {
	case kindView:
		return actions{get: action{do: (*Handler).view}, post: action{do: (*Handler).view}}, true
	case kindViewQueries:
		return actions{post: action{do: (*Handler).viewQueries}}, true
	case kindDesignInfo:
		return actions{get: action{do: (*Handler).designInfo}}, true
	case kindViewCleanup:
		return actions{post: action{do: (*Handler).viewCleanup, write: true}}, true
	}
	return actions{}, false
}
