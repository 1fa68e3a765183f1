package caddysync

import (
	"slices"
	"strings"

	"go.uber.org/zap"
)

// claimScopes are the scopes by which providers send claims (OpenID Connect Core 1.0 section 5.4).
var claimScopes = map[string]string{
	"name": "profile", "family_name": "profile", "given_name": "profile", "middle_name": "profile", "nickname": "profile",
	"preferred_username": "profile", "profile": "profile", "picture": "profile", "website": "profile", "gender": "profile",
	"birthdate": "profile", "zoneinfo": "profile", "locale": "profile", "updated_at": "profile",
	"email": "email", "email_verified": "email", "address": "address", "phone_number": "phone", "phone_number_verified": "phone",
}

// warnScopes says when this server signs browsers in without asking for the claim that is to name
// them: a provider that keeps to the letter leaves it out, and then nobody comes in. A provider of
// which only apps bring tokens is theirs to ask.
func (a *App) warnScopes() {
	for _, name := range sortedKeys(a.OIDC) {
		p := a.OIDC[name]
		claim, _, _ := strings.Cut(p.UsernameClaim, ".")
		scope, known := claimScopes[claim]
		if !known || !p.configured() {
			continue
		}
		asked := p.Scopes
		if len(asked) == 0 {
			asked = []string{"openid", "email"}
		}
		if !slices.Contains(asked, scope) {
			a.logger.Warn("username_claim without its scope: a provider may leave the claim out where this server signs browsers in; write `scope "+
				strings.Join(append(slices.Clone(asked), scope), " ")+"`",
				zap.String("provider", name), zap.String("username_claim", p.UsernameClaim), zap.String("scope", scope))
		}
	}
}

// configured reports whether the configuration says something of sign-in by this server.
func (c *CodeFlow) configured() bool {
	return c.ClientSecret != "" || c.ClientSecretKey != nil || c.CallbackURL != "" || len(c.Scopes) > 0 ||
		c.IncludeAccess || c.DisableSession || c.RefreshByQuery || c.ResponseMode != ""
}
