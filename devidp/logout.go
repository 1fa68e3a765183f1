package devidp

import (
	"context"
	"net/http"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// logout answers the end session endpoint (OpenID Connect RP-Initiated Logout): the
// refresh and access tokens that the user of the id_token_hint gave to the client end,
// and the browser goes where the client may send it.
func (p *provider) logout(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil || repeated(r.Form, "post_logout_redirect_uri") {
		op.RequestError(w, r, oidc.ErrInvalidRequest().WithDescription("the request cannot be read"), nil)

		return
	}

	// The library verifies the hint before it is known which client asks; storage then
	// compares this URL with what that client may name.
	after := r.Form.Get("post_logout_redirect_uri")
	r = r.WithContext(context.WithValue(r.Context(), afterLogoutKey{}, after))

	op.EndSession(w, r, p)
}

func (p *provider) signedOut(w http.ResponseWriter, _ *http.Request) {
	p.page(w, http.StatusOK, "Signed out", "You are signed out of the development identity provider.")
}
