package auth

import (
	"cmp"
	"net/http"
	"net/url"
)

// ifUser refuses a request whose If-User header names another user than it is signed in as
// (p, nil for nobody). A browser's cookie is all tabs': whoever signs in in one of them would
// otherwise be given what another one asks for, and be taken for the author of what that one
// sends. To ask _session first leaves a gap between the two requests.
//
// The header is ours, after those of RFC 9110 section 13.1. Its value is the user's name in the
// database, percent-encoded (RFC 3986 section 2.1), since scripts can put no other letters than
// Latin-1's into a header. It is a 401 and not a 412, so that replicators stop, as they do
// when a session has ended, and do not try again.
func ifUser(h http.Header, p *Principal) *Error {
	if !hasIfUser(h) {
		return nil
	}
	values := h["If-User"]
	name, err := url.PathUnescape(values[0])
	if err != nil || name == "" || len(values) > 1 {
		return &Error{
			Status: http.StatusBadRequest, Name: "bad_request",
			Reason: "If-User must be the name of one user, percent-encoded",
		}
	}
	var who string
	if p != nil {
		who = cmp.Or(p.Name, p.user)
	}
	switch who {
	case name:
		return nil
	case "": // a guest, or an administrator by place
		return errLoginRequired()
	}
	return &Error{
		Status: http.StatusUnauthorized, Name: "unauthorized", Reason: "another user has signed in",
		Challenges: []string{challengeBare}, nobody: true,
	}
}

func hasIfUser(h http.Header) bool { return len(h["If-User"]) > 0 }
