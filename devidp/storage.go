package devidp

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// storage shows one configuration, and the logins and keys that it shares with others,
// to the library.
type storage struct {
	settings
	keys        *keyring
	logins      *logins
	backchannel *backchannel
}

var (
	_ op.Storage                        = (*storage)(nil)
	_ op.CanSetUserinfoFromRequest      = (*storage)(nil)
	_ op.CanTerminateSessionFromRequest = (*storage)(nil)
)

var errUnsupported = errors.New("not supported by the development provider")

// afterLogoutKey is where logout puts the URL that the browser asks to be sent to.
type afterLogoutKey struct{}

// Health is always good.
func (*storage) Health(context.Context) error { return nil }

// GetClientByClientID implements [op.OPStorage].
func (s *storage) GetClientByClientID(ctx context.Context, id string) (op.Client, error) {
	client, err := s.client(id)
	if err != nil {
		return nil, oidc.ErrInvalidClient().WithDescription("unknown client_id").WithParent(err)
	}

	shown := opClient{Client: client, loginURL: s.url(pathLogin), tokenLifetime: s.tokenLifetime}
	if after, ok := ctx.Value(afterLogoutKey{}).(string); ok && client.allowsRedirect(after) {
		shown.afterLogout = []string{after}
	}

	return shown, nil
}

// AuthorizeClientIDSecret implements [op.OPStorage].
func (s *storage) AuthorizeClientIDSecret(_ context.Context, id, secret string) error {
	client, err := s.client(id)
	if err != nil {
		return err
	}

	if client.Secret == "" || subtle.ConstantTimeCompare([]byte(client.Secret), []byte(secret)) == 0 {
		return errWrongSecret
	}

	return nil
}

// CreateAuthRequest implements [op.AuthStorage].
func (s *storage) CreateAuthRequest(_ context.Context, req *oidc.AuthRequest, user string) (op.AuthRequest, error) {
	return s.logins.begin(req, user), nil
}

// AuthRequestByID implements [op.AuthStorage].
func (s *storage) AuthRequestByID(_ context.Context, id string) (op.AuthRequest, error) {
	request, err := s.logins.request(id)
	if err != nil {
		return nil, oidc.ErrInvalidRequest().WithDescription("%s", err.Error()).WithParent(err)
	}

	return request, nil
}

// SaveAuthCode implements [op.AuthStorage].
func (s *storage) SaveAuthCode(_ context.Context, id, text string) error {
	return s.logins.issueCode(id, text)
}

// AuthRequestByCode redeems a code; see [logins.redeem].
func (s *storage) AuthRequestByCode(_ context.Context, text string) (op.AuthRequest, error) {
	request, err := s.logins.redeem(text)
	if err != nil {
		return nil, err
	}

	if _, err := s.user(request.user); err != nil {
		return nil, err // a reload took the user away
	}

	return request, nil
}

// DeleteAuthRequest has nothing to do: a request ends when its code is issued.
func (*storage) DeleteAuthRequest(context.Context, string) error { return nil }

// CreateAccessToken implements [op.AuthStorage].
func (s *storage) CreateAccessToken(_ context.Context, req op.TokenRequest) (id string, expires time.Time, err error) {
	request, ok := req.(*authRequest)
	if !ok {
		return "", time.Time{}, oidc.ErrUnsupportedGrantType().WithParent(errUnsupported)
	}

	g, ok := s.logins.grantFor(request)
	if !ok {
		return "", time.Time{}, oidc.ErrInvalidGrant().WithParent(errCodeGone)
	}

	return s.logins.newAccess(g, g.scopes, s.tokenLifetime), time.Now().Add(s.tokenLifetime), nil
}

// CreateAccessAndRefreshTokens implements [op.AuthStorage]; the current refresh token,
// if there is one, is used up.
func (s *storage) CreateAccessAndRefreshTokens(_ context.Context, req op.TokenRequest, current string) (id, next string, expires time.Time, err error) {
	expires = time.Now().Add(s.tokenLifetime)

	switch request := req.(type) {
	case *authRequest:
		g, ok := s.logins.grantFor(request)
		if !ok {
			return "", "", time.Time{}, oidc.ErrInvalidGrant().WithParent(errCodeGone)
		}

		return s.logins.newAccess(g, g.scopes, s.tokenLifetime), s.logins.newRefresh(g), expires, nil
	case *refreshRequest:
		next, err := s.logins.rotate(current)
		if err != nil {
			return "", "", time.Time{}, oidc.ErrInvalidGrant().WithParent(err)
		}

		return s.logins.newAccess(request.grant, request.scopes, s.tokenLifetime), next, expires, nil
	default:
		return "", "", time.Time{}, oidc.ErrUnsupportedGrantType().WithParent(errUnsupported)
	}
}

// TokenRequestByRefreshToken implements [op.AuthStorage].
func (s *storage) TokenRequestByRefreshToken(_ context.Context, token string) (op.RefreshTokenRequest, error) {
	request, err := s.logins.refreshRequest(token)
	if err != nil {
		return nil, err
	}

	if _, err := s.user(request.user); err != nil {
		return nil, err
	}

	return request, nil
}

// TerminateSession ends what a user gave to a client.
func (s *storage) TerminateSession(ctx context.Context, user, client string) error {
	s.signOut(ctx, user, client, "")

	return nil
}

// TerminateSessionFromRequest implements [op.CanTerminateSessionFromRequest]: it ends the
// sign-in that the id_token_hint came from, or all that the user gave to the client if
// the hint does not name one. Without a hint nobody is named, and nothing ends.
func (s *storage) TerminateSessionFromRequest(ctx context.Context, req *op.EndSessionRequest) (string, error) {
	if req.IDTokenHintClaims != nil {
		s.signOut(ctx, req.UserID, req.ClientID, req.IDTokenHintClaims.SessionID)
	}

	return req.RedirectURI, nil
}

// signOut ends a user's grants to a client, and tells the client. sid "" means all of them.
func (s *storage) signOut(ctx context.Context, user, client, sid string) {
	s.logins.endAll(user, client, sid)

	if to, err := s.client(client); err == nil {
		s.backchannel.send(ctx, to, user, sid)
	}
}

// GetRefreshTokenInfo implements [op.AuthStorage].
func (s *storage) GetRefreshTokenInfo(_ context.Context, _, token string) (user, id string, err error) {
	g, ok := s.logins.grantOf(token)
	if !ok {
		return "", "", op.ErrInvalidRefreshToken
	}

	return g.user, token, nil
}

// RevokeToken ends the grant that a token belongs to (RFC 7009 section 2.1); an unknown
// token is no error (section 2.2).
func (s *storage) RevokeToken(_ context.Context, token, _, client string) *oidc.Error {
	g, ok := s.logins.grantOf(token)
	if !ok {
		return nil
	}

	if g.client != client {
		return oidc.ErrInvalidClient().WithDescription("the token was issued to another client")
	}

	s.logins.end(g)

	return nil
}

// SigningKey implements [op.AuthStorage].
func (s *storage) SigningKey(context.Context) (op.SigningKey, error) {
	return s.keys.signing(s.algorithm)
}

// SignatureAlgorithms implements [op.AuthStorage].
func (*storage) SignatureAlgorithms(context.Context) ([]jose.SignatureAlgorithm, error) {
	return algorithms(), nil
}

// KeySet implements [op.AuthStorage].
func (s *storage) KeySet(context.Context) ([]op.Key, error) {
	return s.keys.public()
}

// SetUserinfoFromScopes has nothing to do; see SetUserinfoFromRequest.
func (*storage) SetUserinfoFromScopes(context.Context, *oidc.UserInfo, string, string, []string) error {
	return nil
}

// SetUserinfoFromRequest gives an ID token the claims of its user, and which sign-in it
// came from.
func (s *storage) SetUserinfoFromRequest(_ context.Context, info *oidc.UserInfo, req op.IDTokenRequest, scopes []string) error {
	if err := s.setUserinfo(info, req.GetSubject(), scopes); err != nil {
		return err
	}

	if sid := sidOf(req); sid != "" {
		info.Claims["sid"] = sid
	}

	return nil
}

func sidOf(req op.IDTokenRequest) string {
	switch r := req.(type) {
	case *authRequest:
		return r.sid
	case *refreshRequest:
		return r.sid
	default:
		return ""
	}
}

// SetUserinfoFromToken answers the userinfo endpoint.
func (s *storage) SetUserinfoFromToken(_ context.Context, info *oidc.UserInfo, tokenID, _, _ string) error {
	g, scopes, err := s.logins.accessByID(tokenID)
	if err != nil {
		return err
	}

	return s.setUserinfo(info, g.user, scopes)
}

func (s *storage) setUserinfo(info *oidc.UserInfo, name string, scopes []string) error {
	user, err := s.user(name)
	if err != nil {
		return fmt.Errorf("finding the claims of the user: %w", err)
	}

	// All in the map: the library's own fields would win over claims of the same name.
	info.Subject = user.Name
	info.Claims = user.claims(scopes)

	return nil
}

// SetIntrospectionFromToken is not reachable: no client can authenticate.
func (*storage) SetIntrospectionFromToken(context.Context, *oidc.IntrospectionResponse, string, string, string) error {
	return errUnsupported
}

// GetPrivateClaimsFromScopes implements [op.OPStorage]; access tokens are opaque.
func (*storage) GetPrivateClaimsFromScopes(context.Context, string, string, []string) (map[string]any, error) {
	return nil, nil
}

// GetKeyByIDAndClientID refuses: clients have no keys.
func (*storage) GetKeyByIDAndClientID(context.Context, string, string) (*jose.JSONWebKey, error) {
	return nil, errUnsupported
}

// ValidateJWTProfileScopes refuses: the grant is not offered.
func (*storage) ValidateJWTProfileScopes(context.Context, string, []string) ([]string, error) {
	return nil, errUnsupported
}
