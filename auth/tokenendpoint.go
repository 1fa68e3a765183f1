package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"
	"golang.org/x/oauth2"
)

const (
	// tokenCalls is how many requests to a provider's token endpoint run at once.
	tokenCalls = 64
	// tokenRetry is when a client may try again after the provider did not answer.
	tokenRetry = 5 * time.Second

	responseModeForm = "form_post"
)

// codeClient is what a provider needs at the token endpoint.
type codeClient struct {
	http  *http.Client  // follows no redirect: the secret goes to the endpoint only
	calls chan struct{} // one for each request under way
	sign  *secretSigner // nil without client_secret_key
}

// defaultScopes are asked for unless configured: those of Sync Gateway.
var defaultScopes = []string{"openid", "email"}

// prepareCodeFlow checks the options of sign-in by browser.
func (p *provider) prepareCodeFlow() error {
	if p.CallbackURL != "" {
		if err := checkEndpoint(p.CallbackURL); err != nil {
			return fmt.Errorf("callback_url: %w", err)
		}
	}
	if len(p.Scopes) == 0 {
		p.Scopes = defaultScopes
	}
	for _, scope := range p.Scopes {
		if !isScope(scope) {
			return fmt.Errorf("scope %q is not a scope: write words of printable ASCII without quotes", scope)
		}
	}
	switch {
	case !slices.Contains(p.Scopes, "openid"):
		return errors.New("scope lacks openid, without which the provider issues no ID token: write `scope openid …`")
	case p.ResponseMode != "" && p.ResponseMode != responseModeForm:
		return fmt.Errorf("response_mode %s is not known: write form_post, or leave it out", p.ResponseMode)
	case p.ClientSecret != "" && p.ClientSecretKey != ClientSecretKey{}:
		return errors.New("client_secret and client_secret_key exclude each other: keep one")
	}
	client := *p.client
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	p.code = codeClient{http: &client, calls: make(chan struct{}, tokenCalls)}
	if p.ClientSecretKey == (ClientSecretKey{}) {
		return nil
	}
	var err error
	p.code.sign, err = newSecretSigner(p.ClientSecretKey)
	return err
}

// isScope reports whether s is a scope-token (RFC 6749 section 3.3).
func isScope(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' })
}

// tokenSet is what a token endpoint answered.
type tokenSet struct {
	id, access, kind, refresh string
	expiresIn                 int64 // seconds; 0 if it does not say
}

// oauth is the provider as x/oauth2 takes it; callback may be empty.
func (p *provider) oauth(m *metadata, callback string, logger *zap.Logger) (*oauth2.Config, *Error) {
	if err := m.checkEndpoint("token_endpoint", m.TokenEndpoint); err != nil {
		return nil, errProvider("the identity provider cannot be used for sign-in by browser", err.Error())
	}
	c := &oauth2.Config{
		ClientID: p.ClientIDs[0], ClientSecret: p.ClientSecret, RedirectURL: callback, Scopes: p.Scopes,
		Endpoint: oauth2.Endpoint{AuthURL: m.AuthorizationEndpoint, TokenURL: m.TokenEndpoint},
	}
	if p.code.sign != nil {
		secret, err := p.code.sign.secret(c.ClientID, p.Issuer, logger)
		if err != nil {
			return nil, errInternal("making the client secret", err)
		}
		c.ClientSecret = secret
	}
	methods := m.TokenAuthMethods
	switch {
	case c.ClientSecret == "":
		c.Endpoint.AuthStyle = oauth2.AuthStyleInParams // a public client names itself only
	case len(methods) == 0 || slices.Contains(methods, "client_secret_basic"):
		// Discovery section 3: client_secret_basic is the default.
		c.Endpoint.AuthStyle = oauth2.AuthStyleInHeader
	case slices.Contains(methods, "client_secret_post"):
		c.Endpoint.AuthStyle = oauth2.AuthStyleInParams
	default:
		return nil, errProvider("the identity provider cannot be used for sign-in by browser",
			"its token endpoint takes neither client_secret_basic nor client_secret_post")
	}
	return c, nil
}

// exchange trades an authorization code for tokens (RFC 6749 section 4.1.3, RFC 7636
// section 4.5).
func (p *provider) exchange(ctx context.Context, c *oauth2.Config, code, verifier string) (*tokenSet, *Error) {
	return p.call(ctx, "Failed to exchange token", "", func(ctx context.Context) (*oauth2.Token, error) {
		return c.Exchange(ctx, code, oauth2.VerifierOption(verifier))
	})
}

// renew trades a refresh token for tokens (RFC 6749 section 6).
func (p *provider) renew(ctx context.Context, c *oauth2.Config, refresh string) (*tokenSet, *Error) {
	return p.call(ctx, "Unable to refresh token.", refresh, func(ctx context.Context) (*oauth2.Token, error) {
		return c.TokenSource(ctx, &oauth2.Token{RefreshToken: refresh}).Token()
	})
}

// call makes one request to the token endpoint. sent is the refresh token that x/oauth2
// repeats if the provider did not answer another.
func (p *provider) call(ctx context.Context, failed, sent string, do func(context.Context) (*oauth2.Token, error)) (*tokenSet, *Error) {
	select {
	case p.code.calls <- struct{}{}:
		defer func() { <-p.code.calls }()
	default:
		return nil, errTryLater("too many sign-ins at once, try again", tokenRetry, "token endpoint: "+p.Name)
	}
	t, err := do(context.WithValue(ctx, oauth2.HTTPClient, p.code.http))
	if err != nil {
		return nil, tokenError(ctx, failed, err)
	}
	set := &tokenSet{access: t.AccessToken, kind: t.TokenType, refresh: t.RefreshToken, expiresIn: t.ExpiresIn}
	if set.refresh == sent {
		set.refresh = ""
	}
	set.id, _ = t.Extra("id_token").(string)
	if set.id == "" {
		return nil, errProvider("No id_token field in oauth2 token.", "ask for the scope openid")
	}
	return set, nil
}

// tokenError turns a failure at the token endpoint into an answer. What the provider
// wrote stays out of it, but for the code of RFC 6749 section 5.2: it may repeat what
// was sent.
func tokenError(ctx context.Context, failed string, err error) *Error {
	refused, ok := errors.AsType[*oauth2.RetrieveError](err)
	if !ok {
		switch {
		case ctx.Err() != nil:
			return errTryLater(failed, time.Second, "the client went away")
		case isNetwork(err):
			return errTryLater(failed, tokenRetry, "the token endpoint did not answer: "+networkReason(err))
		}
		return errProvider(failed, "the token endpoint's answer is not one of RFC 6749 section 5.1")
	}
	status := refused.Response.StatusCode
	code := refused.ErrorCode
	if !isScope(code) || len(code) > 64 {
		code = ""
	}
	detail := fmt.Sprintf("the token endpoint answered status %d, error %q", status, code)
	switch {
	case code == "invalid_grant":
		return &Error{Status: http.StatusUnauthorized, Name: "unauthorized", Reason: failed, Detail: detail, Challenges: []string{challengeBare}}
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable:
		return errTryLater(failed, tokenRetry, detail)
	}
	// Also when it does not know us: that is the operator's to mend, not the client's.
	return errProvider(failed, detail)
}

// errProvider answers for an identity provider that failed.
func errProvider(reason, detail string) *Error {
	return &Error{Status: http.StatusBadGateway, Name: "bad_gateway", Reason: reason, Detail: detail, audit: true}
}
