package caddysync

import (
	"fmt"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddysync/caddy-sync/auth"
)

// CodeFlow says how browsers sign in by way of this server (`_oidc`), with the first of
// the provider's client IDs.
type CodeFlow struct {
	// The client's secret, as {env.NAME} or {file.PATH}, for sign-in by browser. Bearer
	// tokens are verified without it. Default: none, so that this server is a public
	// client of the provider, with PKCE alone.
	ClientSecret string `json:"client_secret,omitempty"`

	// The key that signs a new client secret for each request, as Sign in with Apple
	// wants it, instead of a client secret.
	ClientSecretKey *ClientSecretKey `json:"client_secret_key,omitempty"`

	// The address that the provider sends browsers back to. Default: of the request as
	// Caddy sees it, /<database>/_oidc_callback, with ?provider=<name> unless it is the
	// database's default provider.
	CallbackURL string `json:"callback_url,omitempty"`

	// The scopes that are asked for. Default: openid email.
	Scopes []string `json:"scopes,omitempty"`

	// Whether a sign-in by browser also answers the access token. Default: false.
	IncludeAccess bool `json:"include_access,omitempty"`

	// Whether a sign-in by browser answers tokens only, and makes no session. Default:
	// false.
	DisableSession bool `json:"disable_session,omitempty"`

	// Whether a refresh token may stand in the URL of _oidc_refresh, where access logs
	// keep it. Default: false.
	RefreshByQuery bool `json:"refresh_by_query,omitempty"`

	// How the provider answers: empty for the query, or `form_post`. Default: the query.
	ResponseMode string `json:"response_mode,omitempty"`
}

// ClientSecretKey signs client secrets (ES256).
type ClientSecretKey struct {
	// The file with the private key: PEM, PKCS #8, ECDSA on P-256. It is read again
	// when it changes. Required.
	File string `json:"file,omitempty"`

	// The key's ID at the provider. Required.
	KeyID string `json:"key_id,omitempty"`

	// The team's ID at the provider. Required.
	Team string `json:"team,omitempty"`
}

// fill adds the code flow to a provider as auth takes it, with placeholders expanded.
func (c *CodeFlow) fill(out *auth.Provider, repl *caddy.Replacer) error {
	var err error
	if out.ClientSecret, err = readSecret("oidc "+out.Name+": client_secret", c.ClientSecret); err != nil {
		return err
	}
	out.Scopes, out.IncludeAccess, out.DisableSession = c.Scopes, c.IncludeAccess, c.DisableSession
	out.RefreshByQuery, out.ResponseMode = c.RefreshByQuery, c.ResponseMode
	var key ClientSecretKey
	if c.ClientSecretKey != nil {
		key = *c.ClientSecretKey
	}
	for _, field := range []struct {
		option, text string
		to           *string
	}{
		{"callback_url", c.CallbackURL, &out.CallbackURL},
		{"client_secret_key", key.File, &out.ClientSecretKey.File},
		{"client_secret_key", key.KeyID, &out.ClientSecretKey.KeyID},
		{"client_secret_key", key.Team, &out.ClientSecretKey.Team},
	} {
		if *field.to, err = repl.ReplaceOrErr(field.text, true, true); err != nil {
			return fmt.Errorf("oidc %s: %s: %w", out.Name, field.option, err)
		}
	}
	return nil
}

// word reads a word of the Caddyfile.
func (c *CodeFlow) word(word string) parseWord {
	switch word {
	case "client_secret":
		return text(&c.ClientSecret)
	case "client_secret_key":
		return c.parseSecretKey
	case "callback_url":
		return text(&c.CallbackURL)
	case "scope":
		return list(&c.Scopes)
	case "include_access":
		return flag(&c.IncludeAccess)
	case "disable_session":
		return flag(&c.DisableSession)
	case "refresh_by_query":
		return flag(&c.RefreshByQuery)
	case "response_mode":
		return text(&c.ResponseMode)
	}
	return nil
}

func (c *CodeFlow) parseSecretKey(d *caddyfile.Dispenser) error {
	key := new(ClientSecretKey)
	if !d.AllArgs(&key.File, &key.KeyID, &key.Team) {
		return d.ArgErr()
	}
	c.ClientSecretKey = key
	return noBlock(d, "client_secret_key")
}
