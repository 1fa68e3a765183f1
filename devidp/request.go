package devidp

import (
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// authRequest is an authorization request, from the form to the tokens. It is not
// changed once it is shared; signing in makes a changed copy.
type authRequest struct {
	id       string
	params   oidc.AuthRequest
	hint     string // whom the app expects, from id_token_hint or login_hint
	user     string // empty until somebody signed in
	authTime time.Time
	sid      string // of the sign-in
	code     *code  // the one it was found by
}

var _ op.AuthRequest = (*authRequest)(nil)

func (r *authRequest) GetID() string          { return r.id }
func (*authRequest) GetACR() string           { return "" }
func (*authRequest) GetAMR() []string         { return nil }
func (r *authRequest) GetAudience() []string  { return []string{r.params.ClientID} }
func (r *authRequest) GetAuthTime() time.Time { return r.authTime }
func (r *authRequest) GetClientID() string    { return r.params.ClientID }
func (r *authRequest) GetCodeChallenge() *oidc.CodeChallenge {
	return &oidc.CodeChallenge{Challenge: r.params.CodeChallenge, Method: r.params.CodeChallengeMethod}
}
func (r *authRequest) GetNonce() string                   { return r.params.Nonce }
func (r *authRequest) GetRedirectURI() string             { return r.params.RedirectURI }
func (r *authRequest) GetResponseType() oidc.ResponseType { return r.params.ResponseType }
func (r *authRequest) GetResponseMode() oidc.ResponseMode { return r.params.ResponseMode }
func (r *authRequest) GetScopes() []string                { return r.params.Scopes }
func (r *authRequest) GetState() string                   { return r.params.State }
func (r *authRequest) GetSubject() string                 { return r.user }
func (r *authRequest) Done() bool                         { return r.user != "" }

// refreshRequest is one use of a refresh token.
type refreshRequest struct {
	grant        *grant
	user, client string
	sid          string // of the sign-in
	scopes       []string
	authTime     time.Time
}

var _ op.RefreshTokenRequest = (*refreshRequest)(nil)

func (*refreshRequest) GetAMR() []string                   { return nil }
func (r *refreshRequest) GetAudience() []string            { return []string{r.client} }
func (r *refreshRequest) GetAuthTime() time.Time           { return r.authTime }
func (r *refreshRequest) GetClientID() string              { return r.client }
func (r *refreshRequest) GetScopes() []string              { return r.scopes }
func (r *refreshRequest) GetSubject() string               { return r.user }
func (r *refreshRequest) SetCurrentScopes(scopes []string) { r.scopes = scopes }
