package devidp

import (
	"net/http"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// token answers the token endpoint: a code or a refresh token for tokens.
func (p *provider) token(w http.ResponseWriter, r *http.Request) {
	if p.formInBody(w, r) && p.haveKeys(w) {
		op.Exchange(w, r, p)
	}
}

// revoke answers the revocation endpoint (RFC 7009).
func (p *provider) revoke(w http.ResponseWriter, r *http.Request) {
	if p.formInBody(w, r) {
		op.Revoke(w, r, p)
	}
}

// formInBody refuses parameters in the URL, where secrets would reach logs (RFC 6749
// section 3.2), and repeated ones. The library reads both.
func (*provider) formInBody(w http.ResponseWriter, r *http.Request) bool {
	if r.URL.RawQuery != "" {
		op.RequestError(w, r, oidc.ErrInvalidRequest().WithDescription("parameters belong in the body"), nil)

		return false
	}

	if err := r.ParseForm(); err != nil {
		op.RequestError(w, r, oidc.ErrInvalidRequest().WithDescription("the form cannot be read"), nil)

		return false
	}

	for name := range r.PostForm {
		if repeated(r.PostForm, name) {
			op.RequestError(w, r, oidc.ErrInvalidRequest().WithDescription("a parameter is repeated"), nil)

			return false
		}
	}

	return true
}

// userinfo answers with the claims that an access token's scopes give.
func (p *provider) userinfo(w http.ResponseWriter, r *http.Request) {
	if p.formInBody(w, r) {
		op.Userinfo(&bearerChallenge{ResponseWriter: w}, r, p)
	}
}

// bearerChallenge turns the library's refusals of an access token into those of RFC 6750
// section 3: it answers 403 to an expired one, and never names the scheme.
type bearerChallenge struct {
	http.ResponseWriter
}

func (w *bearerChallenge) WriteHeader(status int) {
	if status == http.StatusForbidden || status == http.StatusUnauthorized {
		status = http.StatusUnauthorized
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
	}

	w.ResponseWriter.WriteHeader(status)
}
