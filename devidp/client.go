package devidp

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// Client is an app that may send its users here. It must use the authorization code flow
// with PKCE S256, and is public (has no secret) unless Secret says otherwise.
type Client struct {
	// The client ID, which tokens made for it carry as audience.
	ID string `json:"id"`

	// What people are told that they sign in to. Default: the client ID.
	Name string `json:"name,omitempty"`

	// Where a code may be sent, beside any loopback URL, which always may: https URLs
	// and an app's own schemes (com.example.notes:/signed-in), compared exactly.
	RedirectURIs []string `json:"redirect_uris,omitempty"`

	// The secret of a confidential client, such as a server that signs users in; it may be
	// a placeholder such as {env.NOTES_SECRET}. Default: none, the client is public.
	Secret string `json:"secret,omitempty"`

	// Where the client is told that a user signed out (OpenID Connect Back-Channel Logout
	// 1.0): an http or https URL. Default: it is not told.
	BackchannelLogout string `json:"backchannel_logout,omitempty"`
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

	if c.BackchannelLogout != "" {
		if err := validateBackchannelLogout(c.BackchannelLogout); err != nil {
			return fmt.Errorf("client %s: %w", c.ID, err)
		}
	}

	return nil
}

// expandSecrets puts values in the place of placeholders. An empty secret would turn a
// confidential client into a public one.
func expandSecrets(clients []Client) ([]Client, error) {
	repl := caddy.NewReplacer()
	expanded := slices.Clone(clients)

	for i, client := range clients {
		if client.Secret == "" {
			continue
		}

		secret, err := repl.ReplaceOrErr(client.Secret, true, true)
		if err != nil {
			return nil, fmt.Errorf("client %s: secret: %w", client.ID, err)
		}

		expanded[i].Secret = secret
	}

	return expanded, nil
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

func (c opClient) AuthMethod() oidc.AuthMethod {
	if c.Secret != "" {
		return oidc.AuthMethodBasic // the library takes client_secret_post likewise
	}

	return oidc.AuthMethodNone
}

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
