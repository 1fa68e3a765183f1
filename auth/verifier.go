package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
)

// digestLifetime is the longest time that a verified token is known by its digest, and
// so the longest time that a key which the provider withdrew still counts.
const digestLifetime = 5 * time.Minute

// digestCacheSize is how many verified tokens a Service knows.
const digestCacheSize = 1 << 15

// verified is what a good token says. It holds nothing of a user's state, which is
// read on each request (DECISIONS 6).
type verified struct {
	provider *provider
	identity Identity
	key      identityKey
	token    tokenKey
	tokenID  string // jti
	sid      string

	name        string // that a new user would get
	fromSubject bool   // name derives from sub
	email       string // "" if none or not valid
	roles       []string
	channels    []string
	audience    []string
	required    claims // the claims that the provider's require rules name

	issued  time.Time
	expires time.Time
	until   time.Time // end of the cache entry

	applicant *applicant // the same, as users are found by it; never changed
}

// verify judges a bearer token. Known tokens cost a hash and a lookup; everything that
// needs no network is checked before anything that does. admits tells the providers
// that may sign in here, so that the others' keys are not even fetched.
func (s *Service) verify(ctx context.Context, raw string, admits func(*provider) bool) (*verified, *Error) {
	if len(raw) > maxToken {
		return nil, errInvalidToken("token too long")
	}
	digest := sha256.Sum256([]byte(raw))
	now := time.Now()
	if v, ok := s.digests.get(digest); ok && now.Before(v.until) {
		if !admits(v.provider) {
			return nil, errInvalidToken("provider not accepted here")
		}
		return v, nil
	}
	t, err := peek(raw)
	if err != nil {
		return nil, errInvalidToken(err.Error())
	}
	p, refusal := s.providerOf(t, admits)
	if refusal != nil {
		return nil, refusal
	}
	end, err := t.checkTimes(now, p.ClockSkew, p.MaxTokenAge)
	if err != nil {
		return nil, errInvalidToken(err.Error())
	}
	if refusal := p.checkSignature(ctx, t); refusal != nil {
		return nil, refusal
	}
	v, refusal := p.read(t, end)
	if refusal != nil {
		return nil, refusal
	}
	v.until = end
	if limit := now.Add(digestLifetime); limit.Before(end) {
		v.until = limit
	}
	s.state.Load().noteSeen(v, now)
	s.digests.put(digest, v)
	return v, nil
}

// providerOf picks the provider by exact issuer and audience; there is no fallback.
func (s *Service) providerOf(t *token, admits func(*provider) bool) (*provider, *Error) {
	reason := "unknown issuer"
	for _, p := range s.providers {
		if !p.issued(t.issuer) {
			continue
		}
		if !p.hears(t.audience) {
			reason = "wrong audience"
			continue
		}
		if !admits(p) {
			return nil, errInvalidToken("provider not accepted here")
		}
		if t.access && !p.AccessTokens {
			return nil, errInvalidToken(errTokenKind.Error())
		}
		if len(p.Algorithms) > 0 && !slices.Contains(p.Algorithms, t.alg) {
			return nil, errInvalidToken(errAlgorithm.Error())
		}
		return p, nil
	}
	return nil, errInvalidToken(reason)
}

// checkSignature has go-oidc verify the token with our keys.
func (p *provider) checkSignature(ctx context.Context, t *token) *Error {
	keys := p.keys.Load()
	if keys == nil {
		return errTryLater("not started", time.Second, "")
	}
	set := &tokenKeys{keys: keys, token: t, provider: p}
	_, err := oidc.NewVerifier(t.issuer, set, &oidc.Config{
		SkipClientIDCheck:    true, // checked against several by providerOf
		SupportedSigningAlgs: signatureAlgorithms,
	}).Verify(ctx, t.raw)
	var retry *retryError
	switch {
	case err == nil:
		return nil
	case errors.As(set.err, &retry):
		return errTryLater("the identity provider's keys are not available, try again", retry.after, retry.Error())
	case errors.Is(set.err, context.Canceled), errors.Is(set.err, context.DeadlineExceeded):
		return errTryLater("the identity provider did not answer in time", time.Second, "")
	case set.err != nil:
		return errInvalidToken(set.err.Error())
	}
	refusal := errInvalidToken("token refused")
	refusal.Detail = err.Error()
	return refusal
}

// tokenKeys is the oidc.KeySet for one token. It keeps the error, which go-oidc
// flattens to text.
type tokenKeys struct {
	keys     *keySet
	provider *provider
	token    *token
	err      error
}

// VerifySignature implements oidc.KeySet.
func (k *tokenKeys) VerifySignature(ctx context.Context, raw string) ([]byte, error) {
	payload, err := k.verify(ctx, raw)
	k.err = err
	return payload, err
}

func (k *tokenKeys) verify(ctx context.Context, raw string) ([]byte, error) {
	jws, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(k.token.alg)})
	if err != nil {
		return nil, errMalformed
	}
	payload, err := k.keys.verify(ctx, jws, k.token.alg, k.token.kid)
	if err != nil {
		return nil, err
	}
	// Which algorithms discovery offers is known only now.
	cur := k.keys.current.Load()
	if !slices.Contains(k.provider.algorithms(cur.Metadata.Algorithms), jose.SignatureAlgorithm(k.token.alg)) {
		return nil, errAlgorithm
	}
	if string(payload) != string(k.token.payload) {
		return nil, errMalformed // two readers saw two tokens
	}
	return payload, nil
}

// read takes out of a token with a good signature what is kept of it.
func (p *provider) read(t *token, end time.Time) (*verified, *Error) {
	if !t.claims.satisfies(p.Require) {
		return nil, errForbidden("this account may not sign in here", "the provider's require is not met")
	}
	v := &verified{
		provider: p,
		identity: Identity{Issuer: p.Issuer, Subject: t.subject},
		token:    t.key(),
		audience: t.audience,
		issued:   t.issued,
		expires:  end,
	}
	v.key = v.identity.key()
	var err error
	if v.name, v.fromSubject, err = userName(&p.Provider, t.claims); err != nil {
		return nil, errInvalidToken(err.Error())
	}
	if v.roles, err = t.claims.names(p.RolesClaim); err != nil {
		return nil, errInvalidToken(err.Error())
	}
	if v.channels, err = t.claims.names(p.ChannelsClaim); err != nil {
		return nil, errInvalidToken(err.Error())
	}
	// A bad address or ID is left out; it is no reason to refuse (sync-gateway F row 30).
	if email, err := t.claims.text("email"); err == nil && validEmail(email) {
		v.email = email
	}
	v.tokenID, _ = t.claims.text("jti")
	v.sid, _ = t.claims.text("sid")
	for claim := range p.Require {
		if v.required == nil {
			v.required = claims{}
		}
		v.required[claim], _ = t.claims.lookup(claim)
		if claim == "email" {
			v.required["email_verified"] = t.claims["email_verified"]
		}
	}
	v.applicant = newApplicant(v)
	return v, nil
}
