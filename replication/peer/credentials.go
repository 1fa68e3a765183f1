package peer

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
)

// Kind is how credentials sign in.
type Kind string

// The kinds of credentials.
const (
	// Bearer sends a token with each request.
	Bearer Kind = "bearer"
	// Basic sends a name and a password with each request.
	Basic Kind = "basic"
	// Session trades a name and a password for a cookie at _session, again when it has ended.
	Session Kind = "cookie"
)

// Credentials sign in at the other server. They are in no text that the package makes.
type Credentials struct {
	Kind   Kind
	Name   string // none with a bearer token
	Secret string // the token or the password
	// Read, if not nil, gives the secret anew before a replication (re)starts: a token in a
	// file may have been replaced.
	Read func() (string, error)

	mu      sync.Mutex
	cookies []*http.Cookie
}

// ParseAuthorization reads the value of a header Authorization, Bearer or Basic; nil: it is neither.
func ParseAuthorization(header string) *Credentials {
	scheme, rest, _ := strings.Cut(header, " ")
	switch rest = strings.TrimSpace(rest); strings.ToLower(scheme) {
	case "bearer":
		return &Credentials{Kind: Bearer, Secret: rest}
	case "basic":
		text, err := base64.StdEncoding.DecodeString(rest)
		if name, password, ok := strings.Cut(string(text), ":"); err == nil && ok {
			return &Credentials{Kind: Basic, Name: name, Secret: password}
		}
	}
	return nil
}

// String hides what the credentials are.
func (c *Credentials) String() string { return "credentials" }

// GoString hides it too.
func (c *Credentials) GoString() string { return "credentials" }

// refresh reads the secret anew.
func (c *Credentials) refresh() error {
	if c == nil || c.Read == nil {
		return nil
	}
	secret, err := c.Read()
	if err != nil {
		return fmt.Errorf("reading the credentials: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if secret != c.Secret {
		c.Secret, c.cookies = secret, nil
	}
	return nil
}

// sign adds the credentials to a request.
func (c *Credentials) sign(r *http.Request) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch c.Kind {
	case Bearer:
		r.Header.Set("Authorization", "Bearer "+c.Secret)
	case Basic:
		r.SetBasicAuth(c.Name, c.Secret)
	case Session:
		for _, cookie := range c.cookies {
			r.AddCookie(cookie)
		}
	}
}

// stale reports whether a session has to be made before the next request.
func (c *Credentials) stale() bool {
	if c == nil || c.Kind != Session {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.cookies) == 0
}

// forget gives a session up that was refused, and reports whether another can be made.
func (c *Credentials) forget() bool {
	if c == nil || c.Kind != Session {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	had := len(c.cookies) > 0
	c.cookies = nil
	return had
}

// signIn makes a session, at the database or, where there is no such endpoint, beside it. CouchDB lets nobody at a database who
// is not signed in, to be told that it has none.
func (c *Credentials) signIn(ctx context.Context, r *remote) error {
	c.mu.Lock()
	body, err := json.Marshal(map[string]string{"name": c.Name, "password": c.Secret})
	c.mu.Unlock()
	if err != nil {
		return fmt.Errorf("signing in: %w", err)
	}
	var last error
	for _, base := range []string{r.to.URL.String(), r.to.server()} {
		cookies, err := r.session(ctx, base+"/_session", body)
		if err == nil {
			c.mu.Lock()
			c.cookies = cookies
			c.mu.Unlock()
			return nil
		}
		absent := isStatus(err, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusBadRequest)
		if last == nil || !absent {
			last = err
		}
		if !absent && !isStatus(err, http.StatusUnauthorized) {
			break
		}
	}
	return last
}

// session posts to an endpoint for sessions and returns the cookies that it sets.
func (r *remote) session(ctx context.Context, endpoint string, body []byte) ([]*http.Cookie, error) {
	ctx, watch := watchSilence(ctx, r.patience)
	defer watch.end()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, bytes.NewReader(body))
	if err != nil {
		return nil, ErrBadURL
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "application/json")
	for name, value := range r.to.Header { // what lets a request in may stand before the server
		request.Header.Set(name, value)
	}
	answer, err := r.client.Do(request)
	if err != nil {
		return nil, watch.cause(r.transportError("POST _session", err))
	}
	defer answer.Body.Close()
	defer drain(answer.Body)
	if answer.StatusCode/100 != 2 {
		return nil, r.statusError("POST _session", answer)
	}
	var cookies []*http.Cookie
	for _, cookie := range answer.Cookies() {
		if cookie.Value != "" && cookie.MaxAge >= 0 {
			cookies = append(cookies, &http.Cookie{Name: cookie.Name, Value: cookie.Value}) //nolint:gosec // it is sent, not set
		}
	}
	if len(cookies) == 0 {
		return nil, fmt.Errorf("%w gave no session for the name and the password", r.who)
	}
	return cookies, nil
}

// segment escapes a document's ID for a path. The slash of _design/ and _local/ stays.
func segment(id string) string {
	for _, prefix := range [...]string{"_design/", "_local/"} {
		if rest, ok := strings.CutPrefix(id, prefix); ok {
			return prefix + url.PathEscape(rest)
		}
	}
	return url.PathEscape(id)
}
