package rest

import "strings"

func routePrefixed(k kind, prefix, path string) target {
	first, rest, deeper := strings.Cut(path, "/")
	id, err := unescape(first)
	if err != nil {
		return target{err: badRequest("The path has a malformed percent escape.")}
	}
	if id == "" {
		return target{kind: k, err: illegalID("A document ID must not be empty.")}
	}
	return routeDocument(k, prefix+id, rest, deeper)
}

// routeDocument tells a document from an attachment: what follows the ID, slashes
// included, is the attachment's name.
func routeDocument(k kind, id, rest string, deeper bool) target {
	if !deeper || rest == "" {
		return target{kind: k, doc: id}
	}
	if to, ok := routeDesign(id, rest); ok && k == kindDocument {
		return to
	}
	name, err := unescape(rest)
	if err != nil {
		return target{err: badRequest("The path has a malformed percent escape.")}
	}
	if k == kindLocal {
		return target{kind: kindLocalAttachment, doc: id, att: name}
	}
	return target{kind: kindAttachment, doc: id, att: name}
}

// documentActions says who answers what about documents and attachments.
func documentActions(k kind) (actions, bool) {
	switch k {
	case kindLocalAttachment:
		refuse := action{do: (*Handler).refuseLocalAttachment}
		return actions{get: refuse, put: refuse, delete: refuse}, true
	case kindDocument:
		return actions{
			get:    action{do: (*Handler).getDocument},
			put:    action{do: (*Handler).putDocument, write: true},
			delete: action{do: (*Handler).deleteDocument, write: true},
			copy:   action{do: (*Handler).copyDocument, write: true},
		}, true
	case kindAttachment:
		return actions{
			get:    action{do: (*Handler).getAttachment},
			put:    action{do: (*Handler).putAttachment, write: true, attachment: true},
			delete: action{do: (*Handler).deleteAttachment, write: true},
		}, true
	case kindLocal:
		return actions{
			get:    action{do: (*Handler).getLocal},
			put:    action{do: (*Handler).putLocal, write: true},
			delete: action{do: (*Handler).deleteLocal, write: true},
		}, true
	}
	return actions{}, false
}

func (h *Handler) refuseLocalAttachment(*request) error {
	return badRequest("_local documents do not accept attachments.")
}
