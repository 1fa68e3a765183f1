package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"go.uber.org/zap"
)

// digestLifetime is the longest time that a verified token is known by its digest.
const digestLifetime = 5 * time.Minute

// digestCacheSize is how many verified tokens a Service knows.
const digestCacheSize = 1 << 15

// verified is what a good token says. It holds nothing of a user's state, which is
// read on each request (DECISIONS 6).
type verified struct {
	// What every request looks at stands first: of ten thousand people's tokens hardly one is
	// in the processor's cache, and each line of it costs.
	until    time.Time // end of the cache entry
	provider *provider
	bindings bindings
	signer   thumbprint // the key that signed it

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
	party       string // azp, where it counts
	algorithm   string // that it is signed with
	access      bool   // an access token
	required    claims // the claims that the provider's require rules name

	issued  time.Time
	expires time.Time

	applicant *applicant // the same, as users are found by it; never changed
	who       applicant  // is applicant, unless that was made otherwise
}

// verify judges a bearer token. Known tokens cost a hash and a lookup; everything that
// needs no network is checked before anything that does. admits tells the providers
// that may sign in here, so that the others' keys are not even fetched.
func (s *Service) verify(ctx context.Context, raw string, admits func(*provider) bool) (*verified, *Error) {
	if len(raw) > maxToken {
		return nil, errTooLong() // before it is hashed
	}
	digest := digestOf(raw)
	now := time.Now()
	// Not one whose key is gone: that one is judged anew.
	if v, ok := s.digests.get(digest); ok && now.Before(v.until) && v.provider.trusts(v.signer) {
		if !admits(v.provider) {
			return nil, errInvalidToken("provider not accepted here")
		}
		return v, nil
	}
	v, refusal := s.examine(ctx, raw, now, admits)
	if refusal != nil {
		return nil, refusal
	}
	s.state.Load().noteSeen(v, now)
	s.digests.put(digest, v)
	s.audit.event(ctx, auditSignIn, auditIdentity(v.identity), auditMethod(MethodBearer), zap.String("provider", v.provider.Name))
	return v, nil
}

func errTooLong() *Error { return errInvalidToken("token too long") }

// examine is verify for a token that is not known. It remembers nothing.
func (s *Service) examine(ctx context.Context, raw string, now time.Time, admits func(*provider) bool) (*verified, *Error) {
	if len(raw) > maxToken {
		return nil, errTooLong()
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
	signer, refusal := p.checkSignature(ctx, t)
	if refusal != nil {
		return nil, refusal
	}
	v, refusal := p.read(t, end)
	if refusal != nil {
		return nil, refusal
	}
	v.signer = signer
	v.until = end
	if limit := now.Add(digestLifetime); limit.Before(end) {
		v.until = limit
	}
	return v, nil
}

// digestOf is a token's SHA-256. Most tokens fit on the stack.
func digestOf(raw string) [sha256.Size]byte {
	var text [1024]byte
	if len(raw) > len(text) {
		return sha256.Sum256([]byte(raw))
	}
	return sha256.Sum256(text[:copy(text[:], raw)])
}

// providerOf picks the provider by exact issuer and audience; there is no fallback.
func (s *Service) providerOf(t *token, admits func(*provider) bool) (*provider, *Error) {
	reason := unknownIssuer
	for _, p := range s.providers {
		if _, _, ok := p.issued(t); !ok {
			continue
		}
		switch {
		case !p.hears(t.audience, ""):
			reason = wrongAudience
			continue
		case !p.hears(t.audience, p.authorizedParty(t)):
			reason = otherClient
			continue
		case !admits(p):
			return nil, errInvalidToken("provider not accepted here")
		}
		if err := p.accepts(t); err != nil {
			return nil, errInvalidToken(err.Error())
		}
		return p, nil
	}
	s.warnStranger(t, reason)
	return nil, errInvalidToken(reason)
}

// accepts judges the kind and the algorithm of a token of p.
func (p *provider) accepts(t *token) error {
	err := p.allows(t.alg, t.access)
	if err == nil && t.access {
		err = t.checkAccess()
	}
	return err
}

// allows is what of accepts a reload can change for a token that was accepted.
func (p *provider) allows(algorithm string, access bool) error {
	switch {
	case access && !p.AccessTokens:
		return errTokenKind
	case len(p.Algorithms) > 0 && !slices.Contains(p.Algorithms, algorithm):
		return errAlgorithm
	}
	return nil
}

// authorizedParty is the azp that has to be one of our clients, "" if there is none: of
// an ID token with several audiences (OpenID Connect Core section 3.1.3.7). With one,
// which is ours, azp may be another client of the same app (Google).
func (p *provider) authorizedParty(t *token) string {
	if p.Kind != KindOIDC || t.access || len(t.audience) < 2 {
		return ""
	}
	return t.party
}

// checkSignature has go-oidc verify the token with our keys, and says with which.
func (p *provider) checkSignature(ctx context.Context, t *token) (thumbprint, *Error) {
	keys := p.keyring()
	if keys == nil {
		return thumbprint{}, errTryLater("not started", time.Second, "")
	}
	set := &tokenKeys{keys: keys, token: t, provider: p}
	_, err := oidc.NewVerifier(t.issuer, set, &oidc.Config{
		SkipClientIDCheck:    true, // checked against several by providerOf
		SupportedSigningAlgs: signatureAlgorithms,
	}).Verify(ctx, t.raw)
	var retry *retryError
	switch {
	case err == nil:
		return set.signer, nil
	case errors.As(set.err, &retry):
		return thumbprint{}, errTryLater("the identity provider's keys are not available, try again", retry.after, retry.Error())
	case errors.Is(set.err, context.Canceled), errors.Is(set.err, context.DeadlineExceeded):
		return thumbprint{}, errTryLater("the identity provider did not answer in time", time.Second, "")
	case set.err != nil:
		return thumbprint{}, errInvalidToken(set.err.Error())
	}
	refusal := errInvalidToken("token refused")
	refusal.Detail = err.Error()
	return thumbprint{}, refusal
}

// keyring returns the provider's keys, nil before Start.
func (p *provider) keyring() keyring {
	if p.static != nil {
		return p.static
	}
	if k := p.keys.Load(); k != nil {
		return k
	}
	return nil
}

// trusts reports whether the provider still has a key.
func (p *provider) trusts(key thumbprint) bool {
	keys := p.keyring()
	return keys != nil && keys.holds(key)
}

// tokenKeys is the oidc.KeySet for one token. It keeps the error, which go-oidc
// flattens to text.
type tokenKeys struct {
	keys     keyring
	provider *provider
	token    *token
	signer   thumbprint
	err      error
}

// VerifySignature implements oidc.KeySet.
func (k *tokenKeys) VerifySignature(ctx context.Context, raw string) ([]byte, error) {
	payload, err := k.verify(ctx, raw)
	k.err = err
	return payload, err
}

func (k *tokenKeys) verify(ctx context.Context, raw string) ([]byte, error) {
	alg := jose.SignatureAlgorithm(k.token.alg)
	jws, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{alg})
	if err != nil {
		return nil, errMalformed
	}
	_, tenant, _ := k.provider.issued(k.token)
	payload, signer, err := k.keys.verify(ctx, &signature{
		jws: jws, alg: k.token.alg, kid: k.token.kid, issuer: k.token.issuer, tenant: tenant,
		made:     k.token.issued.Add(time.Second + max(k.provider.ClockSkew, 0)), // iat is in whole seconds
		needsKid: k.provider.Kind == KindJWT,
	})
	if err != nil {
		return nil, err
	}
	// Which algorithms discovery offers is known only now.
	if !slices.Contains(k.provider.algorithms(k.keys.algorithms()), alg) {
		return nil, errAlgorithm
	}
	if string(payload) != string(k.token.payload) {
		return nil, errMalformed // two readers saw two tokens
	}
	k.signer = signer
	return payload, nil
}

// read takes out of a token with a good signature what is kept of it.
func (p *provider) read(t *token, end time.Time) (*verified, *Error) {
	if !t.claims.satisfies(p.Require) {
		return nil, errForbidden("this account may not sign in here", "the provider's require is not met")
	}
	issuer, _, _ := p.issued(t)
	v := &verified{
		provider: p,
		identity: Identity{Issuer: issuer, Subject: t.subject},
		token:    t.key(),
		audience: t.audience,
		issued:   t.issued,
		expires:  end,

		algorithm: t.alg,
		access:    t.access,
	}
	v.key = v.identity.key()
	v.party = p.authorizedParty(t)
	var err error
	if v.name, v.fromSubject, err = userName(&p.Provider, issuer, t.claims); err != nil {
		return nil, errInvalidToken(err.Error())
	}
	if v.roles, err = t.claims.names(p.RolesClaim); err != nil {
		return nil, errInvalidToken(err.Error())
	}
	if v.channels, err = t.claims.names(p.ChannelsClaim); err != nil {
		return nil, errInvalidToken(err.Error())
	}
	// A bad address or ID is left out; it is no reason to refuse (sync-gateway F row 30).
	// So is an address that the provider did not verify: anybody can write anybody's
	// into an account (DECISIONS 1).
	if email, err := t.claims.text("email"); err == nil && validEmail(email) && isTrue(t.claims["email_verified"]) {
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
	v.who = *newApplicant(v)
	v.applicant = &v.who
	return v, nil
}
