package auth

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxUserName is the longest user name, in bytes.
const maxUserName = 239

// adminRole is CouchDB's word for what administrators have.
const adminRole = "_admin"

var errNoUserName = errors.New("token gives no user name")

// defaultUserPrefix is the prefix of names when none is configured: host and path of
// the issuer, escaped (sync-gateway F row 31), or the provider's name if the issuer is
// not the URL of a host (row 57). Subjects are unique per issuer only.
func defaultUserPrefix(issuer, provider string) string {
	u, err := url.ParseRequestURI(issuer)
	if err != nil || u.Host == "" {
		return provider
	}
	return url.QueryEscape(u.Host + u.Path)
}

// userName derives the name that an identity gets at its first sign-in (DECISIONS 1):
//
//	no claim, no prefix   <escaped issuer host and path>_<sub>
//	prefix only           prefix_sub
//	claim only            claim
//	both                  prefix_claim
//
// fromSubject says that it derives from sub. issuer is that of the identity.
func userName(p *Provider, issuer string, c claims) (name string, fromSubject bool, err error) {
	claim := p.UsernameClaim
	if claim == "" {
		sub, _ := c["sub"].(string)
		prefix := p.UserPrefix
		if prefix == "" {
			prefix = defaultUserPrefix(issuer, p.Name)
		}
		name = prefix + "_" + url.QueryEscape(sub)
		return name, true, checkUserName(name)
	}
	v, ok := c.lookup(claim)
	if !ok {
		return "", false, fmt.Errorf("%w: claim %s is missing", errNoUserName, claim)
	}
	if claim == "email" && !isTrue(c["email_verified"]) {
		// Anybody can write anybody's address into an account (DECISIONS 1).
		return "", false, fmt.Errorf("%w: email is not verified", errNoUserName)
	}
	text, ok := nameText(v)
	if !ok {
		return "", false, fmt.Errorf("%w: claim %s is not a string or number", errNoUserName, claim)
	}
	name = url.QueryEscape(text)
	if p.UserPrefix != "" {
		name = p.UserPrefix + "_" + name
	}
	return name, claim == "sub", checkUserName(name)
}

// nameText reads a claim that is a string or a number; whole numbers are written
// without fraction and exponent (sync-gateway F row 33).
func nameText(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, v != ""
	case json.Number:
		if !strings.ContainsAny(v.String(), ".eE") {
			return v.String(), true
		}
		f, err := v.Float64()
		if err != nil || math.Abs(f) > 1e15 {
			return "", false
		}
		return strconv.FormatFloat(f, 'f', -1, 64), true
	}
	return "", false
}

func isTrue(v any) bool {
	s, ok := v.(string)
	return v == true || ok && s == "true" // some providers write a string
}

// checkUserName refuses names that paths and lists cannot hold.
func checkUserName(name string) error {
	switch {
	case name == "" || len(name) > maxUserName || !utf8.ValidString(name),
		strings.ContainsAny(name, "/:,`"),
		strings.ContainsFunc(name, unicode.IsControl),
		!strings.ContainsFunc(name, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }),
		name == "GUEST": // the administrator's name of nobody
		return ErrBadUserName
	}
	return nil
}

// checkRoleName is checkUserName for roles: no role has CouchDB's word for an administrator,
// which validate_doc_update functions and apps would take its members for.
func checkRoleName(name string) error {
	if name == adminRole {
		return ErrBadUserName
	}
	return checkUserName(name)
}

// validEmail is the form of an address that is worth keeping: something@something.
func validEmail(s string) bool {
	local, domain, ok := strings.Cut(s, "@")
	return ok && local != "" && domain != "" && !strings.Contains(domain, "@") && len(s) <= 254 &&
		!strings.ContainsFunc(s, unicode.IsControl)
}
