package auth

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxLoginBody is how much of a POST to _session is read, in bytes.
const maxLoginBody = 64 << 10

// login is a name and a password as a client sends them.
type login struct {
	name, password string
	given          bool // a name or a password is there
}

// readLogin reads the body of a POST to _session: {"name","password"}, or CouchDB's form.
// An empty body and {} name nobody. Unknown and repeated members are refused, as two
// readers of such a body may see two users in it.
func readLogin(w http.ResponseWriter, r *http.Request) (login, *Error) {
	if r.Body == nil {
		return login{}, nil
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxLoginBody))
	if err != nil {
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
			return login{}, &Error{Status: http.StatusRequestEntityTooLarge, Name: "too_large", Reason: "the body of a login has at most 64 KiB"}
		}
		return login{}, errLoginBody("the body could not be read")
	}
	body = bytes.Trim(body, " \t\r\n")
	if len(body) == 0 {
		return login{}, nil
	}
	var l login
	var refusal *Error
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if kind == "application/x-www-form-urlencoded" && body[0] != '{' { // which is curl's default
		refusal = l.readForm(string(body))
	} else {
		refusal = l.readJSON(body)
	}
	if refusal != nil {
		return login{}, refusal
	}
	for _, s := range []string{l.name, l.password} {
		if !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
			return login{}, errLoginBody("name and password must be UTF-8 without control characters")
		}
	}
	l.given = l.name != "" || l.password != ""
	return l, nil
}

func (l *login) readForm(body string) *Error {
	form, err := url.ParseQuery(body)
	if err != nil {
		return errLoginBody("the form could not be read: write name=…&password=…")
	}
	for key, values := range form {
		into := l.member(key)
		if into == nil {
			return errLoginBody("the form has other fields than name and password")
		}
		if len(values) > 1 {
			return errLoginBody("the form has a field twice")
		}
		*into = values[0]
	}
	return nil
}

func (l *login) readJSON(body []byte) *Error {
	if !utf8.Valid(body) {
		return errLoginBody("the body must be UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(body))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return errLoginNotJSON()
	}
	seen := map[string]bool{}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return errLoginNotJSON()
		}
		name, _ := key.(string)
		into := l.member(name)
		switch {
		case into == nil:
			return errLoginBody(`the body has other members than "name" and "password"`)
		case seen[name]:
			return errLoginBody("the body has a member twice")
		}
		seen[name] = true
		value, err := d.Token()
		if err != nil {
			return errLoginNotJSON()
		}
		text, ok := value.(string)
		if !ok {
			return errLoginBody(`"name" and "password" must be strings`)
		}
		*into = text
	}
	if _, err := d.Token(); err != nil { // the closing brace
		return errLoginNotJSON()
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errLoginNotJSON()
	}
	return nil
}

// member is where a member goes; nil if there is none of that name, in that case.
func (l *login) member(name string) *string {
	switch name {
	case "name":
		return &l.name
	case "password":
		return &l.password
	}
	return nil
}

func errLoginBody(reason string) *Error {
	return &Error{Status: http.StatusBadRequest, Name: "bad_request", Reason: reason}
}

func errLoginNotJSON() *Error { return errLoginBody("the body must be a JSON object") }
