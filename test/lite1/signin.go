package lite1

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/stretchr/testify/require"
)

var (
	// ErrNoLogin is what 1.x fails with where a challenge says nothing of OpenID Connect.
	ErrNoLogin = errors.New("the server did not provide an OpenID login URL")
	// ErrNoToken is what it fails with where a sign-in ends without an ID token.
	ErrNoToken = errors.New("the server did not return an OpenID token")
)

// signIn is what a replication begins with: with OpenID Connect it asks for a session first.
func (r *remote) signIn(ctx context.Context) error {
	if r.config.Login == nil {
		return nil
	}
	var session struct {
		Context struct {
			Name     *string
			Channels map[string]any
		} `json:"userCtx"`
		Handlers []string `json:"authentication_handlers"`
	}
	err := r.json(ctx, http.MethodGet, "_session", nil, &session)
	if statusOf(err) != http.StatusUnauthorized && err != nil {
		return err
	}
	if err == nil && session.Context.Name != nil && *session.Context.Name != "" {
		return nil
	}
	return r.login(ctx)
}

// tokens are what a sign-in ends with.
type tokens struct {
	IDToken      string `json:"id_token"`
	RefreshToken string `json:"refresh_token"`
	SessionID    string `json:"session_id"`
	Name         string `json:"name"`
}

// login refreshes the token, or else has the app log in at the provider.
func (r *remote) login(ctx context.Context) error {
	r.bearer = ""
	if refresh := r.device.refresh; refresh != "" {
		err := r.finish(ctx, "_oidc_refresh?refresh_token="+escape(refresh))
		if statusOf(err) != http.StatusUnauthorized {
			return err
		}
		r.device.refresh = ""
	}
	err := r.json(ctx, http.MethodGet, "_oidc_challenge?offline=true", nil, nil)
	refused, ok := errors.AsType[*StatusError](err)
	switch {
	case !ok || refused.Status != http.StatusUnauthorized:
		return errors.Join(ErrNoLogin, err)
	case refused.scheme != "OIDC" || refused.login == "":
		return ErrNoLogin
	}
	// The app shows the login in a web view, and gives back where that was sent at the end.
	back, err := r.config.Login(refused.login)
	if err != nil {
		return err
	}
	u, err := url.Parse(back)
	if err != nil {
		return err
	}
	return r.finish(ctx, "_oidc_callback?"+u.RawQuery)
}

func (r *remote) finish(ctx context.Context, path string) error {
	var got tokens
	if err := r.json(ctx, http.MethodGet, path, nil, &got); err != nil {
		return err
	}
	if got.IDToken == "" {
		return ErrNoToken
	}
	if got.RefreshToken != "" {
		r.device.refresh = got.RefreshToken
	}
	if got.SessionID == "" { // without a session the token goes along
		r.bearer = got.IDToken
	}
	return nil
}

// SignOut ends the session, as an app does, and forgets the refresh token.
func (d *Device) SignOut(c Config) {
	d.t.Helper()
	require.NoError(d.t, newRemote(d, &c).json(d.t.Context(), http.MethodDelete, "_session", nil, nil))
	d.refresh = ""
}
