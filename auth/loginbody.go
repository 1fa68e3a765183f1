package auth

import (
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
)

// maxLoginBody is how much of a POST to _session is read, in bytes.
const maxLoginBody = 64 << 10

// namesUser reports whether the body of a POST names a user, in JSON or as CouchDB's
// form. An empty body and {} name nobody.
func (c *sessionCall) namesUser() (bool, *Error) {
	if c.r.Body == nil {
		return false, nil
	}
	body, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, maxLoginBody))
	if err != nil {
		return false, &Error{Status: http.StatusBadRequest, Name: "bad_request", Reason: "the body could not be read", Detail: err.Error()}
	}
	text := strings.TrimSpace(string(body))
	if text == "" {
		return false, nil
	}
	kind, _, _ := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	if kind == "application/x-www-form-urlencoded" && !strings.HasPrefix(text, "{") {
		form, err := url.ParseQuery(text)
		if err != nil {
			return false, errBadLoginBody()
		}
		return form.Get("name") != "" || form.Get("password") != "", nil
	}
	var login struct {
		Name     any `json:"name"`
		Password any `json:"password"`
	}
	if err := json.Unmarshal([]byte(text), &login); err != nil {
		return false, errBadLoginBody()
	}
	return login.Name != nil || login.Password != nil, nil
}

func errBadLoginBody() *Error {
	return &Error{Status: http.StatusBadRequest, Name: "bad_request", Reason: "the body must be a JSON object"}
}
