package dump

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// ErrRefused is wrapped by errors of servers that do not answer as they must.
var ErrRefused = errors.New("refused by the server")

// StatusError is an answer that is an error. It is an ErrRefused.
type StatusError struct {
	Status int
	// Text is the status and the beginning of the body.
	Text string
}

func (e *StatusError) Error() string { return ErrRefused.Error() + ": " + e.Text }

func (e *StatusError) Unwrap() error { return ErrRefused }

// Database is one at the end of a URL.
type Database struct {
	// URL is that of the database (or of a collection of it), as http://localhost:4985/notes.
	URL string
	// Authorization is the header of that name. "": none is sent.
	Authorization string
	// Client sends the requests.
	Client *http.Client
}

// maxRedirects is how many redirects are followed, as by net/http itself.
const maxRedirects = 10

// client follows redirects, but none that makes another request of one that is to change something: after 301, 302
// and 303 net/http asks by GET (RFC 9110 section 15.4), and the answer to that says nothing about what was to be done.
var client = &http.Client{CheckRedirect: func(next *http.Request, via []*http.Request) error {
	switch {
	case next.Method != via[0].Method:
		return fmt.Errorf("%w: it redirects to %s, and nothing was changed: give the URL of the database there", ErrRefused, next.URL.Redacted())
	case len(via) >= maxRedirects:
		return fmt.Errorf("%w: too many redirects", ErrRefused)
	}
	return nil
}}

// NewDatabase takes name and password out of the URL, if they are in it.
func NewDatabase(text, authorization string) (*Database, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/") == "" {
		return nil, errors.New("give the URL of a database, as http://localhost:4985/notes")
	}
	if u.User != nil && authorization == "" {
		request := http.Request{Header: http.Header{}}
		password, _ := u.User.Password()
		request.SetBasicAuth(u.User.Username(), password)
		authorization = request.Header.Get("Authorization")
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return &Database{URL: strings.TrimSuffix(u.String(), "/"), Authorization: authorization, Client: client}, nil
}

// name is the last part of the URL.
func (d *Database) name() string { return d.URL[strings.LastIndexByte(d.URL, '/')+1:] }

// Ask sends a request below the URL, with a body in JSON unless it is nil, and gives the answer's body to use.
func (d *Database) Ask(ctx context.Context, method, path string, body any, use func(io.Reader) error) error {
	var payload io.Reader
	if body != nil {
		var text bytes.Buffer
		encode := json.NewEncoder(&text)
		encode.SetEscapeHTML(false) // documents are to stay as they are
		if err := encode.Encode(body); err != nil {
			return fmt.Errorf("asking the server: %w", err)
		}
		payload = &text
	}
	request, err := http.NewRequestWithContext(ctx, method, d.URL+path, payload)
	if err != nil {
		return fmt.Errorf("asking the server: %w", err)
	}
	request.Header.Set("Accept", "application/json")
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if d.Authorization != "" {
		request.Header.Set("Authorization", d.Authorization)
	}
	response, err := d.Client.Do(request)
	if err != nil {
		return fmt.Errorf("asking the server: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode >= http.StatusBadRequest {
		text, _ := io.ReadAll(io.LimitReader(response.Body, 500))
		return &StatusError{response.StatusCode, response.Status + ": " + string(bytes.TrimSpace(text))}
	}
	if err := use(response.Body); err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	return nil
}

// Into decodes an answer.
func Into(v any) func(io.Reader) error {
	return func(r io.Reader) error { return json.NewDecoder(r).Decode(v) }
}
