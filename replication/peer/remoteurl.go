package peer

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// Remote names a database of another server, and says who asks.
type Remote struct {
	// URL is the database's, without credentials: see ParseURL.
	URL *url.URL
	// Credentials sign in; nil: nobody does.
	Credentials *Credentials
	// Header are further headers of each request.
	Header map[string]string
	// Transport does the requests of this side, if it is not nil, in place of the options'.
	Transport http.RoundTripper
}

// ParseURL reads the URL of a database, such as https://example.com/notes. Credentials that
// stand in it are returned apart, and are not in the URL any more, so that no text shows them.
func ParseURL(text string) (*url.URL, *Credentials, error) {
	u, err := url.Parse(strings.TrimSpace(text))
	if err != nil {
		return nil, nil, ErrBadURL // url's own error repeats the text, which may hold a password
	}
	var c *Credentials
	if u.User != nil {
		password, _ := u.User.Password()
		c = &Credentials{Kind: Basic, Name: u.User.Username(), Secret: password}
		u.User = nil
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, nil, fmt.Errorf("%w: it begins with http:// or https://", ErrBadURL)
	case u.Host == "" || u.Opaque != "":
		return nil, nil, fmt.Errorf("%w: it names no host", ErrBadURL)
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, nil, fmt.Errorf("%w: it has a query or a fragment", ErrBadURL)
	case strings.Trim(u.Path, "/") == "":
		return nil, nil, fmt.Errorf("%w: it names no database", ErrBadURL)
	}
	u.RawPath = strings.TrimRight(u.EscapedPath(), "/")
	if u.Path, err = url.PathUnescape(u.RawPath); err != nil {
		return nil, nil, ErrBadURL
	}
	return u, c, nil
}

// server is the URL of the server that the database is on, as far as can be told: the path
// without its last segment.
func (r *Remote) server() string {
	text := r.URL.String()
	return text[:strings.LastIndexByte(text, '/')]
}
