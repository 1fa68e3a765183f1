package auth

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// maxClaimsDepth bounds the nesting of a token's JSON.
const maxClaimsDepth = 32

// maxTime is the latest time that is kept of a token; later ones are cut to it, so
// that no arithmetic overflows.
var maxTime = time.Date(2300, 1, 1, 0, 0, 0, 0, time.UTC)

var errNotClaims = errors.New("not a JSON object of claims")

// claims are the members of a JSON object: strings, bools, json.Number, nil, []any
// and claims.
type claims map[string]any

// parseClaims reads one JSON object strictly. Duplicate member names are refused at
// any depth (RFC 7519 section 4 allows that): two readers must not see two tokens.
func parseClaims(text []byte) (claims, error) {
	if !utf8.Valid(text) {
		return nil, fmt.Errorf("%w: invalid UTF-8", errNotClaims)
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	t, err := dec.Token()
	if err != nil || t != json.Delim('{') {
		return nil, errNotClaims
	}
	c, err := readObject(dec, 1)
	if err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: text after it", errNotClaims)
	}
	return c, nil
}

func readObject(dec *json.Decoder, depth int) (claims, error) {
	c := claims{}
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return nil, errNotClaims
		}
		name, ok := t.(string)
		if !ok {
			return nil, errNotClaims
		}
		if _, dup := c[name]; dup {
			return nil, fmt.Errorf("%w: duplicate member", errNotClaims)
		}
		if c[name], err = readValue(dec, depth); err != nil {
			return nil, err
		}
	}
	_, err := dec.Token()
	if err != nil {
		return nil, errNotClaims
	}
	return c, nil
}

func readValue(dec *json.Decoder, depth int) (any, error) {
	t, err := dec.Token()
	if err != nil {
		return nil, errNotClaims
	}
	d, ok := t.(json.Delim)
	if !ok {
		return t, nil
	}
	if depth >= maxClaimsDepth {
		return nil, fmt.Errorf("%w: nested too deep", errNotClaims)
	}
	switch d {
	case '{':
		return readObject(dec, depth+1)
	case '[':
		list := []any{}
		for dec.More() {
			v, err := readValue(dec, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		if _, err := dec.Token(); err != nil {
			return nil, errNotClaims
		}
		return list, nil
	}
	return nil, errNotClaims
}

// lookup returns the claim of that name, or else the one at that path
// (realm_access.roles). The name goes first because names like
// https://example.com/roles have dots too.
func (c claims) lookup(path string) (any, bool) {
	if v, ok := c[path]; ok {
		return v, true
	}
	first, rest, found := strings.Cut(path, ".")
	if !found {
		return nil, false
	}
	inner, ok := c[first].(claims)
	if !ok {
		return nil, false
	}
	return inner.lookup(rest)
}

// trusted is lookup for the rules of a configuration, which decide who may come in. An
// e-mail address that the provider did not verify is nobody's: at many providers anybody
// can write anybody's into an account (as DECISIONS 1 for names).
func (c claims) trusted(path string) (any, bool) {
	if path == "email" && !isTrue(c["email_verified"]) {
		return nil, false
	}
	return c.lookup(path)
}

// text returns a claim that must be a string if it is there.
func (c claims) text(name string) (string, error) {
	v, ok := c[name]
	if !ok || v == nil {
		return "", nil
	}
	s, ok := v.(string)
	if !ok {
		return "", fmt.Errorf("claim %s is not a string", name)
	}
	return s, nil
}

// texts reads a claim that is a string or an array of strings.
func texts(v any) ([]string, bool) {
	switch v := v.(type) {
	case nil:
		return nil, true
	case string:
		return []string{v}, true
	case []any:
		list := make([]string, 0, len(v))
		for _, e := range v {
			s, ok := e.(string)
			if !ok {
				return nil, false
			}
			list = append(list, s)
		}
		return list, true
	}
	return nil, false
}

// names reads the claim at path, or no claim if path is "", as a list of names: a string
// or an array of strings, each once. What is no name of a role or channel is left out.
func (c claims) names(path string) ([]string, error) {
	if path == "" {
		return nil, nil
	}
	v, _ := c.lookup(path)
	list, ok := texts(v)
	if !ok {
		return nil, fmt.Errorf("claim %s is not a string or an array of strings", path)
	}
	var names []string
	for _, name := range list {
		if validGrant(name) && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return packed(names), nil
}

// packed returns names that share one string: caches keep lists of many names for many people, and
// each string is something for the garbage collector to look at. It changes names.
func packed(names []string) []string {
	all := strings.Join(names, "")
	for i, name := range names {
		names[i], all = all[:len(name)], all[len(name):]
	}
	return names
}

// validGrant reports whether a token may give a role or channel of this name. Lists of
// names are written with commas, into headers too, so no name may pass for two, or end the
// line; nor may one be CouchDB's word for an administrator, or be longer than those that an
// administrator gives.
func validGrant(name string) bool {
	return name != "" && len(name) <= maxChannel && name != adminRole && !strings.ContainsFunc(name, func(r rune) bool {
		return r == ',' || r == utf8.RuneError || unicode.IsControl(r)
	})
}

// moment reads a NumericDate (RFC 7519 section 2), zero if there is none.
func (c claims) moment(name string) (time.Time, error) {
	v, ok := c[name]
	if !ok {
		return time.Time{}, nil
	}
	n, ok := v.(json.Number)
	if !ok {
		return time.Time{}, fmt.Errorf("claim %s is not a number", name)
	}
	f, err := n.Float64()
	if err != nil || f < 0 || f > 1<<53 {
		return time.Time{}, fmt.Errorf("claim %s is not a time", name)
	}
	if f >= float64(maxTime.Unix()) {
		return maxTime, nil
	}
	sec := int64(f)
	return time.Unix(sec, int64((f-float64(sec))*1e9)), nil
}

// matches reports whether the claim's value, or one element of it, is one of allowed.
// Bools and numbers are compared by their JSON text.
func claimMatches(v any, allowed []string) bool {
	switch v := v.(type) {
	case string:
		return slices.Contains(allowed, v)
	case bool:
		return slices.Contains(allowed, fmt.Sprint(v))
	case json.Number:
		return slices.Contains(allowed, v.String())
	case []any:
		return slices.ContainsFunc(v, func(e any) bool {
			_, nested := e.([]any)
			return !nested && claimMatches(e, allowed)
		})
	}
	return false
}

// satisfies reports whether c meets every rule of require: claim (name or path) →
// values of which one must match. An email must be verified.
func (c claims) satisfies(require map[string][]string) bool {
	for path, values := range require {
		v, ok := c.trusted(path)
		if !ok || !claimMatches(v, values) {
			return false
		}
	}
	return true
}
