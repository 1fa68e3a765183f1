package rest

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/caddysync/caddy-sync/auth"
	"github.com/caddysync/caddy-sync/syncstore/jsondoc"
)

// adminBody is a body that describes a user or a role: an object whose members are known
// by name, each at most once.
type adminBody struct {
	members map[string]json.RawMessage // as they came, null ones left out
	// what is the word for it in errors.
	what string
}

// readAdminBody reads the body and refuses members that are not among known.
func (h *Handler) readAdminBody(rq *request, what string, known ...string) (adminBody, error) {
	b, err := h.readBody(rq, maxAdminBody)
	if err != nil {
		return adminBody{}, err
	}
	defer b.free()
	return parseAdminBody(slices.Clone(b.text), what, known)
}

func parseAdminBody(text []byte, what string, known []string) (adminBody, error) {
	body := adminBody{members: map[string]json.RawMessage{}, what: what}
	err := jsondoc.Members(text, func(name string, value []byte) error {
		switch {
		case len(known) == 0:
			return badRequest("A " + what + " has no members: leave " + strconv.Quote(name) + " out.")
		case !slices.Contains(known, name):
			return badRequest("A " + what + " has no member " + strconv.Quote(name) + ": write " + strings.Join(known, ", ") + ".")
		}
		if string(value) != "null" {
			body.members[name] = value
		}
		return nil
	})
	return body, err
}

// take reads a member, if there is one, into a new *to.
func take[T any](b adminBody, name string, to **T) error {
	value, there := b.members[name]
	if !there {
		return nil
	}
	v := new(T)
	if err := json.Unmarshal(value, v); err != nil {
		return b.wrongType(name, v)
	}
	*to = v
	return nil
}

func (b adminBody) wrongType(name string, v any) error {
	kind := "a string"
	switch v.(type) {
	case *bool:
		kind = "true or false"
	case *[]string:
		kind = "an array of strings"
	case *[]auth.Identity:
		kind = "an array of {issuer, subject}"
	}
	return badRequest(fmt.Sprintf("The member %s of a %s must be %s.", name, b.what, kind))
}

// unchanged refuses a member that is read-only, unless it says what is: so that what GET
// answers can be changed and sent back. Lists are compared as sets.
func (b adminBody) unchanged(name string, now map[string]any) error {
	value, there := b.members[name]
	if !there {
		return nil
	}
	var given any
	if err := json.Unmarshal(value, &given); err != nil {
		return badRequest("The member " + name + " is malformed.")
	}
	if sameValue(given, now[name]) {
		return nil
	}
	return badRequest(name + " is read-only: leave it out, or send it as GET answers it. (Can't change read-only properties)")
}

// sameValue compares JSON values. An empty list or object is as good as none.
func sameValue(a, b any) bool {
	return reflect.DeepEqual(canonical(a), canonical(b))
}

func canonical(v any) any {
	switch v := v.(type) {
	case []any:
		if len(v) == 0 {
			return nil
		}
		texts := make([]string, 0, len(v))
		for _, e := range v {
			text, _ := json.Marshal(e) // of parsed JSON: cannot fail; members come out sorted
			texts = append(texts, string(text))
		}
		slices.Sort(texts)
		return slices.Compact(texts)
	case map[string]any:
		all := map[string]any{}
		for name, value := range v {
			if c := canonical(value); c != nil {
				all[name] = c
			}
		}
		if len(all) == 0 {
			return nil
		}
		return all
	}
	return v
}

// asMembers is what the answer to GET has, as JSON values.
func asMembers(info any) (map[string]any, error) {
	text, err := json.Marshal(info)
	if err != nil {
		return nil, fmt.Errorf("encoding a %T: %w", info, err)
	}
	members := map[string]any{}
	if err := json.Unmarshal(text, &members); err != nil {
		return nil, fmt.Errorf("reading a %T: %w", info, err)
	}
	return members, nil
}

// collectionMembers are those of a collection in collection_access. All but the first are
// read-only.
var collectionMembers = []string{"admin_channels", "all_channels", "jwt_channels", "jwt_last_updated"}

// defaultName is the name of the default scope and of its default collection.
const defaultName = "_default"

// takeCollections reads collection_access: scope → collection → its channels. A named
// collection without admin_channels is cleared, as in Sync Gateway; the default one is
// another way to write the body's own admin_channels.
func (b adminBody) takeCollections(channels **[]string) (auth.CollectionGrants, error) {
	value, there := b.members["collection_access"]
	if !there {
		return nil, nil
	}
	grants := auth.CollectionGrants{}
	err := eachMember(value, func(scope string, value []byte) error {
		return eachMember(value, func(name string, value []byte) error {
			list, err := b.takeCollection(scope, name, value)
			switch {
			case err != nil:
				return err
			case scope != defaultName || name != defaultName:
				if grants[scope] == nil {
					grants[scope] = map[string][]string{}
				}
				grants[scope][name] = list
			case list == nil:
			case *channels != nil && !slices.Equal(**channels, list):
				return badRequest("admin_channels is in the body twice: it stands for collection_access._default._default")
			default:
				*channels = &list
			}
			return nil
		})
	})
	if errors.Is(err, jsondoc.ErrNotObject) {
		return nil, errCollectionAccess
	}
	return grants, err
}

var errCollectionAccess = badRequest(`collection_access must be {"scope":{"collection":{"admin_channels":["channel"]}}}.`)

// takeCollection reads what is said of a collection: nil channels if nothing.
func (b adminBody) takeCollection(scope, name string, value []byte) ([]string, error) {
	if !plausibleCollection(scope) || !plausibleCollection(name) {
		return nil, badRequest("collection_access: " + strconv.Quote(scope+"."+name) + " is no name of a collection")
	}
	if string(value) == "null" {
		return nil, nil
	}
	inner, err := parseAdminBody(value, "collection", collectionMembers)
	if err != nil {
		return nil, err
	}
	var channels *[]string
	if err := take(inner, "admin_channels", &channels); err != nil || channels == nil {
		return nil, err
	}
	return append([]string{}, *channels...), nil
}

func eachMember(value []byte, fn func(name string, value []byte) error) error {
	if string(value) == "null" {
		return nil
	}
	return jsondoc.Members(value, fn)
}

// plausibleCollection reports whether a scope or a collection can have this name.
func plausibleCollection(name string) bool {
	if name == defaultName {
		return true
	}
	return name != "" && len(name) <= 251 && name[0] != '_' && name[0] != '%' &&
		strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-%") == ""
}

// unchangedCollections refuses changes of what is read-only in collection_access.
func (b adminBody) unchangedCollections(now map[string]any) error {
	value, there := b.members["collection_access"]
	if !there {
		return nil
	}
	var given map[string]map[string]map[string]any
	if err := json.Unmarshal(value, &given); err != nil {
		return errCollectionAccess
	}
	for scope, collections := range given {
		for name, members := range collections {
			is := membersAt(now, "collection_access", scope, name)
			if scope == defaultName && name == defaultName {
				is = now
			}
			for _, member := range collectionMembers[1:] {
				if v, there := members[member]; there && !sameValue(v, is[member]) {
					return badRequest(member + " of the collection " + scope + "." + name + " is read-only: leave it out, or send it as GET answers it.")
				}
			}
		}
	}
	return nil
}

func membersAt(v map[string]any, path ...string) map[string]any {
	for _, name := range path {
		v, _ = v[name].(map[string]any)
	}
	return v
}
