package auth

import (
	"net/http"
	"strings"
)

// maxCookies is how many cookies of the session's name are tried.
const maxCookies = 8

// scheme is how a request's Authorization header offers credentials.
type scheme int

const (
	schemeNone scheme = iota
	schemeBearer
	schemeBasic
)

// readAuthorization reads the Authorization header. Empty Basic and schemes that we do
// not know count as no credentials (DECISIONS 39); an empty bearer is a bad one.
func readAuthorization(h http.Header) (kind scheme, secret string, refusal *Error) {
	values := h["Authorization"]
	if len(values) == 0 {
		return schemeNone, "", nil
	}
	if len(values) > 1 {
		// Which one another reader of this request sees is anybody's guess.
		return schemeNone, "", &Error{
			Status: http.StatusBadRequest, Name: "bad_request", Reason: "more than one Authorization header",
			Challenges: []string{challenge("invalid_request", "more than one Authorization header")},
		}
	}
	name, rest, _ := strings.Cut(strings.Trim(values[0], " \t"), " ")
	rest = strings.Trim(rest, " \t")
	switch {
	case strings.EqualFold(name, "Bearer"): // RFC 9110 section 11.1: any case
		return schemeBearer, rest, nil
	case strings.EqualFold(name, "Basic"):
		if emptyBasic(rest) {
			return schemeNone, "", nil
		}
		return schemeBasic, rest, nil
	}
	return schemeNone, "", nil
}

// emptyBasic reports whether Basic credentials name no user. What cannot be decoded is
// not empty, so that it is refused.
func emptyBasic(encoded string) bool {
	name, _, err := readBasic(encoded)
	return err == nil && name == ""
}

// sessionCookie is a cookie of the session's name as it came.
type sessionCookie struct {
	name  string // as the client spells it
	value string
}

// cookiePrefixes are those by which a browser vouches for how a cookie was set
// (draft-ietf-httpbis-rfc6265bis section 4.1.3).
var cookiePrefixes = []string{"__Host-", "__Secure-", "__Http-"}

// sameCookie reports whether a cookie that came as sent is the one called name. The case
// of ASCII letters does not matter: clients and proxies do not keep it. That of a prefix
// does, because older browsers let other hosts of the domain set __host-x but not
// __Host-x; and no other letters are folded, because to a browser __Hoſt-x has no prefix.
func sameCookie(sent, name string) bool {
	if !equalASCIIFold(sent, name) {
		return false
	}
	for _, p := range cookiePrefixes {
		if len(name) >= len(p) && equalASCIIFold(name[:len(p)], p) {
			return sent[:len(p)] == name[:len(p)]
		}
	}
	return true
}

func equalASCIIFold(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if lowerASCII(a[i]) != lowerASCII(b[i]) {
			return false
		}
	}
	return true
}

func lowerASCII(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

// readSessionCookies returns the cookies called name, in any case of its letters. There
// may be several, of different paths or domains.
func readSessionCookies(h http.Header, name string) []sessionCookie {
	return appendSessionCookies(nil, h, name)
}

// appendSessionCookies is readSessionCookies into a list that may be on the stack.
func appendSessionCookies(list []sessionCookie, h http.Header, name string) []sessionCookie {
	for _, line := range h["Cookie"] {
		for line != "" && len(list) < maxCookies {
			var part string
			part, line, _ = strings.Cut(line, ";")
			key, value, ok := strings.Cut(strings.Trim(part, " \t"), "=")
			if !ok || !sameCookie(key, name) {
				continue
			}
			if len(value) > 1 && value[0] == '"' && value[len(value)-1] == '"' {
				value = value[1 : len(value)-1]
			}
			if value != "" {
				list = append(list, sessionCookie{key, value})
			}
		}
	}
	return list
}
