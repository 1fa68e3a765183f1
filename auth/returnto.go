package auth

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxReturnTo is the longest return_to, in bytes: it travels in a cookie.
const maxReturnTo = 1024

var errReturnTo = errors.New("return_to must be a path of this site, or a URL of it or of an origin that `cors origins` lists")

// returnTo checks where a browser wants to go after a sign-in or a sign-out, and returns
// it as an absolute URL. Only this site and listed origins will do, and nothing that
// browsers and servers read differently: an open redirect would lend our name to
// anybody's page (RFC 9700 section 4.11).
func returnTo(r *http.Request, site *Site, raw string) (*url.URL, error) {
	if len(raw) > maxReturnTo || !utf8.ValidString(raw) || strings.ContainsFunc(raw, oddInURL) {
		return nil, errReturnTo
	}
	own := siteOrigin(r)
	if strings.HasPrefix(raw, "/") && !strings.HasPrefix(raw, "//") && own != "" {
		raw = own + raw
	}
	u, err := url.Parse(raw)
	if err != nil || u.User != nil || u.Opaque != "" || !plainHost(u.Host) {
		return nil, errReturnTo
	}
	if (u.Scheme != "https" && u.Scheme != "http") || u.Path != "" && u.Path[0] != '/' || doubtfulPath(u) {
		return nil, errReturnTo
	}
	origin := originOf(u)
	if origin != own && !listedOrigin(site, origin) {
		return nil, errReturnTo
	}
	// What goes out begins with the very origin that was compared.
	safe, err := url.Parse(origin)
	if err != nil {
		return nil, errReturnTo
	}
	safe.Path, safe.RawPath = u.Path, u.RawPath
	safe.RawQuery = u.RawQuery
	safe.Fragment, safe.RawFragment = u.Fragment, u.RawFragment
	return safe, nil
}

// oddInURL are characters that no URL needs: browsers drop some and turn the backslash
// into a slash.
func oddInURL(r rune) bool {
	return r <= ' ' || r == '\\' || r == 0x7f || unicode.IsControl(r) || unicode.IsSpace(r) || unicode.Is(unicode.Cf, r)
}

// doubtfulPath reports whether a path could be read as another host once somebody
// decodes or cleans it.
func doubtfulPath(u *url.URL) bool {
	return strings.HasPrefix(u.Path, "//") || strings.ContainsFunc(u.Path, oddInPath)
}

func oddInPath(r rune) bool { return r == '\\' || unicode.IsControl(r) }

func listedOrigin(site *Site, origin string) bool {
	return site != nil && slices.ContainsFunc(site.ReturnOrigins, func(listed string) bool {
		u, err := url.Parse(listed)
		return err == nil && u.Host != "" && originOf(u) == origin
	})
}

// foreignRefusal stands for the provider's words, which may be anybody's. A page has to be told something: one that
// is not would take nobody for somebody who has yet to sign in, and go round without end.
const foreignRefusal = "The sign-in provider did not sign you in."

// withError adds what went wrong to the URL that a browser returns to: RFC 6749's code,
// and our own words.
func withError(to *url.URL, e *Error) string {
	q, _ := url.ParseQuery(to.RawQuery) // what cannot be read is dropped
	q.Del("error")
	q.Del("error_description")
	q.Set("error", errorCode(e.Status))
	reason := e.Reason
	if e.foreign {
		reason = foreignRefusal
	}
	q.Set("error_description", quotable(reason))
	u := *to
	u.RawQuery = q.Encode()
	return u.String()
}

// errorCode is the code of RFC 6749 section 4.1.2.1 that says most of what a status says.
func errorCode(status int) string {
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return "access_denied"
	case status == http.StatusServiceUnavailable, status == http.StatusTooManyRequests:
		return "temporarily_unavailable"
	case status < http.StatusInternalServerError:
		return "invalid_request"
	}
	return "server_error"
}
