package auth

import (
	"encoding/base64"
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
	text, err := base64.StdEncoding.DecodeString(encoded)
	return err == nil && (len(text) == 0 || text[0] == ':')
}

// sessionCookie is a cookie of the session's name as it came.
type sessionCookie struct {
	name  string // as the client spells it
	value string
}

// readSessionCookies returns the cookies called name, whatever the case: clients and
// proxies do not keep it. There may be several, of different paths or domains.
func readSessionCookies(h http.Header, name string) []sessionCookie {
	var list []sessionCookie
	for _, line := range h["Cookie"] {
		for line != "" && len(list) < maxCookies {
			var part string
			part, line, _ = strings.Cut(line, ";")
			key, value, ok := strings.Cut(strings.Trim(part, " \t"), "=")
			if !ok || !strings.EqualFold(key, name) {
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
