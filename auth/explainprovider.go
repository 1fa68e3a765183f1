package auth

import (
	"context"
	"errors"
	"slices"
	"sort"
	"strings"
	"time"
)

// provider finds the provider whose token it is, and judges audience, authorized party
// and kind by it. Of several with the issuer, it is the one that is meant most likely.
func (e *explainer) provider(t *token) *provider {
	var p *provider
	for _, candidate := range e.s.providers {
		if _, _, ok := candidate.issued(t); !ok {
			continue
		}
		if p == nil || !p.hears(t.audience, "") && candidate.hears(t.audience, "") {
			p = candidate
		}
	}
	if p == nil {
		e.fail("issuer", "%s", e.unknownIssuer(t))
		return nil
	}
	e.pass("issuer", "%s is the issuer of the provider %s", quoted(t.issuer), p.Name)
	if e.db != nil {
		if e.admits(p) {
			e.pass("database", "%s takes tokens of the provider %s", e.db.Name, p.Name)
		} else {
			e.fail("database", "%s does not take tokens of this provider: write `%s %s` in the database", e.db.Name, p.word(), p.Name)
		}
	}
	e.audience(t, p)
	if err := p.accepts(t); err != nil {
		e.fail("kind", "%s: %s", err, p.kindHint(t))
	} else {
		e.pass("kind", "the provider takes tokens like this one")
	}
	return p
}

// word is what a provider of its kind is called in a Caddyfile.
func (p *provider) word() string {
	if p.Kind == KindJWT {
		return "jwt"
	}
	return "oidc"
}

// kindHint says what to write so that a token is taken.
func (p *provider) kindHint(t *token) string {
	switch {
	case t.access && !p.AccessTokens:
		return "it is an access token; send the ID token, or write `access_tokens` in the provider"
	case len(p.Algorithms) > 0 && !slices.Contains(p.Algorithms, t.alg):
		return "its alg is " + t.alg + ", and the provider's `algorithms` are " + strings.Join(p.Algorithms, " ")
	}
	return "RFC 9068 section 2.2 requires it of an access token"
}

// unknownIssuer says what the issuers are, and what may be meant.
func (e *explainer) unknownIssuer(t *token) string {
	var known []string
	for _, p := range e.s.providers {
		if strings.TrimSuffix(p.Issuer, "/") == strings.TrimSuffix(t.issuer, "/") {
			return "iss is " + quoted(t.issuer) + ", and the provider " + p.Name + " has " + quoted(p.Issuer) +
				": they differ by the slash at the end; write `issuer " + cut(t.issuer, 200) + "`"
		}
		if len(p.Tenants) > 0 && strings.HasPrefix(t.issuer, p.Issuer[:strings.Index(p.Issuer, tenantPlaceholder)]) {
			return "iss is " + quoted(t.issuer) + ", of a tenant that is not in the `tenants` of the provider " + p.Name
		}
		known = append(known, p.Name+" ("+p.Issuer+")")
	}
	if len(known) == 0 {
		return "no provider is configured: write `oidc <name> { issuer " + cut(t.issuer, 200) + " … }` into the sync options"
	}
	sort.Strings(known)
	return "iss is " + quoted(t.issuer) + ", and no provider has that issuer. There are: " + strings.Join(known, ", ")
}

func (e *explainer) audience(t *token, p *provider) {
	word := "client_id"
	if p.Kind == KindJWT {
		word = "audience"
	}
	ours := strings.Join(p.ClientIDs, " ")
	if p.hears(t.audience, "") {
		e.pass("audience", "aud names one of %s", ours)
	} else {
		e.fail("audience", "aud is %s, and the provider's %s is %s: write `%s %s` if tokens for that client may come in",
			quoted(strings.Join(t.audience, " ")), word, ours, word, cut(t.audience[0], 200))
		return
	}
	switch party := p.authorizedParty(t); {
	case party == "":
		e.pass("azp", "not needed")
	case p.hears(t.audience, party):
		e.pass("azp", "%s is one of ours", quoted(party))
	default:
		e.fail("azp", "azp is %s: the token was issued to another client; write it as a %s too if its tokens may come in", quoted(party), word)
	}
}

func (e *explainer) times(t *token, p *provider) {
	if t.expired(e.now) {
		e.fail("exp", "expired %s ago (%s): the app has to get a new token before the old one expires; exp has no leeway",
			e.now.Sub(t.expires).Round(time.Second), rfc3339(t.expires))
	} else {
		e.pass("exp", "good until %s", rfc3339(t.expires))
	}
	if t.early(e.now, p.ClockSkew) {
		e.fail("nbf", "not valid before %s, and it is %s here: check both clocks, or write a longer `clock_skew` (it is %v)", rfc3339(t.notBefore), rfc3339(e.now), p.ClockSkew)
	} else {
		e.pass("nbf", "not in the future")
	}
	if t.ahead(e.now, p.ClockSkew) {
		e.fail("iat", "issued at %s, and it is %s here: check both clocks, or write a longer `clock_skew` (it is %v)", rfc3339(t.issued), rfc3339(e.now), p.ClockSkew)
	} else {
		e.pass("iat", "issued at %s", rfc3339(t.issued))
	}
	switch {
	case p.MaxTokenAge <= 0:
		e.pass("max_token_age", "no limit")
	case !e.now.Before(t.issued.Add(p.MaxTokenAge)):
		e.fail("max_token_age", "issued %s ago, and the provider's `max_token_age` is %v", e.now.Sub(t.issued).Round(time.Second), p.MaxTokenAge)
	default:
		e.pass("max_token_age", "issued less than %v ago", p.MaxTokenAge)
	}
}

// signature judges keys, key ID and signature.
func (e *explainer) signature(ctx context.Context, t *token, p *provider) {
	keys := p.keyring()
	if keys == nil {
		e.fail("keys", "the provider's keys are not ready yet")
		return
	}
	_, err := (&tokenKeys{keys: keys, token: t, provider: p}).verify(ctx, t.raw)
	var retry *retryError
	again := ""
	if errors.As(err, &retry) {
		again = " The next try is in " + max(retry.after, time.Second).Round(time.Second).String() + "."
	}
	switch {
	case errors.Is(err, errUnknownKey):
		e.pass("keys", "the provider's keys are there")
		e.fail("kid", "no key of the provider has the ID %s: the token is of another provider or environment, or its key was withdrawn.%s", quoted(t.kid), again)
		return
	case errors.Is(err, errNoKeyID):
		e.pass("keys", "the provider's keys are there")
		e.fail("kid", "the token has no kid, and the provider has several keys: let the backend write the key's ID into the header")
		return
	case retry != nil, errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		e.fail("keys", "the provider's keys are not available (%s): see that this server reaches the provider.%s", cut(err.Error(), 300), again)
		return
	}
	e.pass("keys", "the provider's keys are there")
	e.pass("kid", "%s", kidText(t.kid))
	switch {
	case err == nil:
		e.pass("signature", "good")
	case errors.Is(err, errAlgorithm):
		e.fail("signature", "alg %s is not one that the provider signs with: write it in `algorithms` if it is", t.alg)
	default:
		e.fail("signature", "%s: the token was changed, or signed by a key that only has the same ID", err)
	}
}

func kidText(kid string) string {
	if kid == "" {
		return "the token names no key; all of the provider's were tried"
	}
	return quoted(kid) + " is a key of the provider"
}

// owner judges what the token says of its owner; nil if it does not make a user.
func (e *explainer) owner(t *token, p *provider) *verified {
	for _, claim := range sortedNames(p.Require) {
		values := p.Require[claim]
		if t.claims.satisfies(map[string][]string{claim: values}) {
			e.pass("require", "%s is as required", claim)
		} else {
			e.fail("require", "%s has to be one of %s: the account does not have it, or the provider does not put it into tokens", claim, strings.Join(values, ", "))
		}
	}
	issuer, _, _ := p.issued(t)
	name, _, err := userName(&p.Provider, issuer, t.claims)
	if err != nil {
		e.fail("user_name", "%s: see `username_claim` and `user_prefix`", err)
	} else {
		e.pass("user_name", "%s, if the user is new", name)
	}
	e.names("roles", "roles_claim", t, p.RolesClaim)
	e.names("channels", "channels_claim", t, p.ChannelsClaim)
	end, _ := t.checkTimes(e.now, p.ClockSkew, p.MaxTokenAge)
	v, refusal := p.read(t, end)
	if refusal != nil {
		return nil // for a reason that was told
	}
	return v
}

func (e *explainer) names(check, word string, t *token, claim string) {
	list, err := t.claims.names(claim)
	_, there := t.claims.lookup(claim)
	switch {
	case claim == "":
		e.pass(check, "none: the provider has no `%s`", word)
	case err != nil:
		e.fail(check, "%s: see `%s`", err, word)
	case !there:
		e.pass(check, "none: the token has no claim %s; it can be a path, such as realm_access.roles", claim)
	default:
		e.pass(check, "%s", cut(strings.Join(list, ", "), 300))
	}
}

func sortedNames[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}
