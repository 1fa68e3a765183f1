package devidp

import (
	"errors"
	"fmt"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// Client is an app that may send its users here. It is public (it has no secret), and
// must use the authorization code flow with PKCE S256.
type Client struct {
	// The client ID, which tokens made for it carry as audience.
	ID string `json:"id"`

	// Where a code may be sent, beside any loopback URL, which always may: https URLs
	// and an app's own schemes (com.example.notes:/signed-in), compared exactly.
	RedirectURIs []string `json:"redirect_uris,omitempty"`
}

func (c Client) validate() error {
	if c.ID == "" {
		return errors.New("a client needs an ID")
	}

	for _, uri := range c.RedirectURIs {
		if err := validateRedirectURI(uri); err != nil {
			return fmt.Errorf("client %s: %w", c.ID, err)
		}
	}

	return nil
}

// opClient shows a Client to the library.
type opClient struct {
	Client
	loginURL      string
	tokenLifetime time.Duration
	afterLogout   []string
}

var _ op.Client = opClient{}

func (c opClient) GetID() string                    { return c.ID }
func (c opClient) RedirectURIs() []string           { return c.Client.RedirectURIs }
func (c opClient) PostLogoutRedirectURIs() []string { return c.afterLogout }
func (opClient) ApplicationType() op.ApplicationType {
	return op.ApplicationTypeNative
}
func (opClient) AuthMethod() oidc.AuthMethod { return oidc.AuthMethodNone }
func (opClient) ResponseTypes() []oidc.ResponseType {
	return []oidc.ResponseType{oidc.ResponseTypeCode}
}

func (opClient) GrantTypes() []oidc.GrantType {
	return []oidc.GrantType{oidc.GrantTypeCode, oidc.GrantTypeRefreshToken}
}

func (c opClient) LoginURL(id string) string          { return c.loginURL + "?request=" + id }
func (opClient) AccessTokenType() op.AccessTokenType  { return op.AccessTokenTypeBearer }
func (c opClient) IDTokenLifetime() time.Duration     { return c.tokenLifetime }
func (opClient) DevMode() bool                        { return false }
func (opClient) IsScopeAllowed(string) bool           { return false }
func (opClient) IDTokenUserinfoClaimsAssertion() bool { return true }
func (opClient) ClockSkew() time.Duration             { return 0 }
func (opClient) restrict(scopes []string) []string    { return scopes }
func (c opClient) RestrictAdditionalIdTokenScopes() func([]string) []string { //nolint:revive,staticcheck // the library's spelling
	return c.restrict
}

func (c opClient) RestrictAdditionalAccessTokenScopes() func([]string) []string {
	return c.restrict
}
