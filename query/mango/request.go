package mango

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/caddysync/caddy-sync/query"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/jsondoc"
)

// defaultLimit is how many documents are answered where nothing else is said.
const defaultLimit = 25

// Request is a query: the body of _find or _explain.
type Request struct {
	Selector *query.Selector
	Sort     []Field
	// Projection takes fields out of documents; nil gives them whole.
	Projection *Projection
	Skip       int
	Limit      int
	Conflicts  bool
	// Stale answers what the index has, without bringing it up to date.
	Stale bool
	// Stats asks for what the query cost.
	Stats bool

	useIndex      []string
	allowFallback bool
	bookmark      *bookmark
	text          map[string]string // members that are repeated by _explain, as they came
}

// member reads one member of a request's body.
type member func(r *Request, value []byte) error

// members are those that a request may have.
var members = map[string]member{
	"selector": func(r *Request, v []byte) (err error) {
		r.Selector, err = parseSelector(v)
		return err
	},
	"use_index": func(r *Request, v []byte) (err error) {
		r.useIndex, err = parseUseIndex(v)
		return err
	},
	"bookmark": func(r *Request, v []byte) (err error) {
		r.bookmark, err = parseBookmark(v)
		return err
	},
	"limit": func(r *Request, v []byte) (err error) {
		r.Limit, err = wholeNumber(v, 0)
		return err
	},
	"skip": func(r *Request, v []byte) (err error) {
		r.Skip, err = wholeNumber(v, 0)
		return err
	},
	"sort": func(r *Request, v []byte) (err error) {
		r.Sort, err = parseFields(v)
		return err
	},
	"fields": func(r *Request, v []byte) (err error) {
		r.Projection, err = parseProjection(v)
		return err
	},
	"r": func(_ *Request, v []byte) error {
		_, err := wholeNumber(v, 1)
		return err
	},
	"conflicts":       func(r *Request, v []byte) error { return flag(v, &r.Conflicts) },
	"execution_stats": func(r *Request, v []byte) error { return flag(v, &r.Stats) },
	"allow_fallback":  func(r *Request, v []byte) error { return flag(v, &r.allowFallback) },
	"stable":          func(_ *Request, v []byte) error { return flag(v, new(bool)) },
	"update": func(r *Request, v []byte) error {
		var update bool
		err := flag(v, &update)
		r.Stale = r.Stale || !update
		return err
	},
	"stale": func(r *Request, v []byte) error {
		switch string(v) {
		case `"ok"`:
			r.Stale = true
		case "false", `"false"`:
		default:
			return bad("invalid_value", `Invalid value for stale: %s; there are "ok" and false`, shown(v))
		}
		return nil
	},
	"partition": func(_ *Request, v []byte) error {
		if string(v) != `""` {
			return bad("bad_request", "This server has no partitions: leave the member partition out.")
		}
		return nil
	},
}

// MemberNames are the members that a request may have.
func MemberNames() []string {
	names := make([]string, 0, len(members))
	for name := range members {
		names = append(names, name)
	}
	return names
}

// ParseRequest reads the body of _find or _explain. The error is an *Error, or one of jsondoc.
func ParseRequest(body []byte) (*Request, error) {
	if err := object(body); err != nil {
		return nil, err
	}
	r := &Request{Limit: defaultLimit, allowFallback: true, text: map[string]string{}}
	err := jsondoc.Members(body, func(name string, value []byte) error {
		read, ok := members[name]
		if !ok {
			return bad("invalid_key", "Invalid key %s for this request.", shown(name))
		}
		r.text[name] = string(value)
		if err := read(r, value); err != nil {
			if known, ok := err.(*Error); ok && strings.HasPrefix(known.Name, "invalid_") && known.Name != "invalid_selector" { //nolint:errorlint // as it was made
				return bad(known.Name, "%s: %s", name, known.Reason)
			}
			return err
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if r.Selector == nil {
		return nil, bad("missing_required_key", `Missing required key: selector; {"selector": {}} means all documents`)
	}
	return r, nil
}

// object refuses a body that is no JSON object.
func object(body []byte) error {
	if err := jsondoc.Check(body); err != nil {
		return fmt.Errorf("reading the body: %w", err)
	}
	if bytes.TrimSpace(body)[0] != '{' {
		return bad("bad_request", "Request body must be a JSON object")
	}
	return nil
}

func parseSelector(text []byte) (*query.Selector, error) {
	if text[0] != '{' {
		return nil, bad("invalid_selector_json", "Selector must be a JSON object, not: %s", shown(text))
	}
	s, err := query.Parse(text)
	if err != nil {
		return nil, selectorError(err)
	}
	return s, nil
}

func flag(text []byte, into *bool) error {
	switch string(text) {
	case "true":
		*into = true
	case "false":
		*into = false
	default:
		return bad("invalid_boolean", "Invalid boolean value: %s", shown(text))
	}
	return nil
}

// wholeNumber reads a number that is at least 0 or 1. What is larger than an int is cut to that.
func wholeNumber(text []byte, least int) (int, error) {
	n, err := strconv.ParseUint(string(text), 10, 64)
	if tooLarge := err != nil && strings.Trim(string(text), "0123456789") == ""; tooLarge {
		n, err = math.MaxInt, nil
	}
	switch {
	case err == nil && n >= uint64(least):
		return int(min(n, math.MaxInt)), nil
	case least == 0:
		return 0, bad("invalid_non_neg_integer", "%s is not an integer greater than or equal to zero", shown(text))
	}
	return 0, bad("invalid_pos_integer", "%s is not an integer greater than zero", shown(text))
}

// parseUseIndex reads the name of a design document, and perhaps of an index of it: "ddoc",
// "ddoc/name", ["ddoc"] or ["ddoc", "name"].
func parseUseIndex(text []byte) ([]string, error) {
	invalid := bad("invalid_index_name", `Invalid index name: %s; write "design-document" or ["design-document", "index"]`, shown(text))
	var names []string
	switch text[0] {
	case 'n':
		return nil, nil
	case '"':
		name, err := jsondoc.String(text)
		if err != nil {
			return nil, err
		}
		names = strings.Split(strings.TrimPrefix(name, syncstore.DesignPrefix), "/")
	case '[':
		err := jsondoc.Elements(text, func(element []byte) error {
			if element[0] != '"' {
				return invalid
			}
			name, err := jsondoc.String(element)
			names = append(names, name)
			return err
		})
		if err != nil {
			return nil, err
		}
		if len(names) == 0 {
			return nil, nil
		}
	default:
		return nil, invalid
	}
	if len(names) > 2 {
		return nil, invalid
	}
	names[0] = designID(names[0])
	return names, nil
}

// designID is a design document's ID, given with or without its prefix.
func designID(name string) string {
	if syncstore.IsDesign(name) {
		return name
	}
	return syncstore.DesignPrefix + name
}
