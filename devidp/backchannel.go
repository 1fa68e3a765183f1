package devidp

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/crypto"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"go.uber.org/zap"
)

const (
	// logoutTokenLifetime is what Back-Channel Logout section 2.4 recommends at most.
	logoutTokenLifetime = 2 * time.Minute
	// backchannelTimeout bounds telling one client; the browser of the user waits for it.
	backchannelTimeout = 5 * time.Second
)

// backchannel tells clients that a user signed out (OpenID Connect Back-Channel Logout
// 1.0). A client that cannot be told is logged, and signs the user out later by itself:
// the specification knows no second attempt.
type backchannel struct {
	issuer string
	sign   func() (jose.Signer, error)
	client *http.Client
	log    *zap.Logger
}

func newBackchannel(s settings, keys *keyring, log *zap.Logger) *backchannel {
	return &backchannel{
		issuer: s.issuer,
		sign:   func() (jose.Signer, error) { return logoutSigner(keys, s.algorithm) },
		client: &http.Client{
			Timeout: backchannelTimeout,
			// A client of its own, so that reloads leave no idle connections behind.
			Transport:     &http.Transport{DisableKeepAlives: true},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		log: log,
	}
}

// send tells a client that a user's sign-in sid has ended or, if sid is empty, all of
// the user's. It does nothing if the client does not want to know.
func (b *backchannel) send(ctx context.Context, to Client, user, sid string) {
	if to.BackchannelLogout == "" {
		return
	}

	// A browser that goes away must not keep the client from hearing of it.
	err := b.post(context.WithoutCancel(ctx), to, user, sid)
	if err != nil {
		b.log.Error("a client was not told of a logout",
			zap.String("client_id", to.ID), zap.String("user", user), zap.String("url", to.BackchannelLogout), zap.Error(err))

		return
	}

	b.log.Info("told a client of a logout", zap.String("client_id", to.ID), zap.String("user", user))
}

func (b *backchannel) post(ctx context.Context, to Client, user, sid string) error {
	token, err := b.logoutToken(to, user, sid)
	if err != nil {
		return err
	}

	form := url.Values{"logout_token": {token}}

	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to.BackchannelLogout, strings.NewReader(form.Encode()))
	if err != nil {
		return fmt.Errorf("asking for the logout: %w", err)
	}

	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")

	res, err := b.client.Do(req)
	if err != nil {
		return fmt.Errorf("asking for the logout: %w", err)
	}

	defer func() { _ = res.Body.Close() }()

	_, _ = io.CopyN(io.Discard, res.Body, maxBody)

	// Section 2.8: 200, though some frameworks answer 204.
	if res.StatusCode != http.StatusOK && res.StatusCode != http.StatusNoContent {
		return fmt.Errorf("asking for the logout: the client answered %s", res.Status)
	}

	return nil
}

// logoutToken makes the token of Back-Channel Logout section 2.4.
func (b *backchannel) logoutToken(to Client, user, sid string) (string, error) {
	signer, err := b.sign()
	if err != nil {
		return "", err
	}

	claims := oidc.NewLogoutTokenClaims(b.issuer, user, oidc.Audience{to.ID},
		time.Now().Add(logoutTokenLifetime), rand.Text(), sid, 0)

	token, err := crypto.Sign(claims, signer)
	if err != nil {
		return "", fmt.Errorf("signing the logout token: %w", err)
	}

	return token, nil
}

// logoutSigner writes the type that section 2.4 recommends, by which nobody can take a
// logout token for an ID token.
func logoutSigner(keys *keyring, algorithm jose.SignatureAlgorithm) (jose.Signer, error) {
	key, err := keys.signing(algorithm)
	if err != nil {
		return nil, err
	}

	signer, err := jose.NewSigner(jose.SigningKey{
		Algorithm: algorithm,
		Key:       jose.JSONWebKey{Key: key.Key(), KeyID: key.ID()},
	}, (&jose.SignerOptions{}).WithType("logout+jwt"))
	if err != nil {
		return nil, fmt.Errorf("preparing to sign with %s: %w", algorithm, err)
	}

	return signer, nil
}

func validateBackchannelLogout(raw string) error {
	u, err := url.Parse(raw)

	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("backchannel_logout %q must be an http or https URL", raw)
	case u.User != nil:
		return errors.New("backchannel_logout must not have a user name or password in it")
	case strings.Contains(raw, "#"):
		return fmt.Errorf("backchannel_logout %q must not have a fragment (Back-Channel Logout section 2.2)", raw)
	default:
		return nil
	}
}
