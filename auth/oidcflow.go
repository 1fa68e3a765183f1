package auth

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"
)

// OIDCEndpoint is one of the endpoints of sign-in by browser, as its path ends.
type OIDCEndpoint string

// The endpoints below a database.
const (
	OIDCLogin             OIDCEndpoint = "_oidc"
	OIDCChallenge         OIDCEndpoint = "_oidc_challenge"
	OIDCCallback          OIDCEndpoint = "_oidc_callback"
	OIDCRefresh           OIDCEndpoint = "_oidc_refresh"
	OIDCLogout            OIDCEndpoint = "_oidc_logout"
	OIDCBackchannelLogout OIDCEndpoint = "_oidc_backchannel_logout"
)

const (
	// maxFlowBody is how much of a POST's body is read, in bytes.
	maxFlowBody = 64 << 10
	// maxPassed is the longest parameter that is passed on to a provider, in bytes.
	maxPassed = 512
)

// oidcCall is one request to an endpoint of sign-in by browser.
type oidcCall struct {
	s    *Service
	w    http.ResponseWriter
	r    *http.Request
	site *Site
	db   Database
	pol  *policy
	// back is where the browser goes when all is done, or has failed; nil: the answer
	// is JSON.
	back *url.URL
}

// ServeOIDC answers the endpoints of sign-in by browser (the authorization code flow of
// OpenID Connect Core section 3.1, done by this server), in Sync Gateway's shapes. CORS
// has been done; the cross-origin check (DECISIONS 12) has been done too, for all but
// OIDCCallback and OIDCBackchannelLogout, which providers call.
func (s *Service) ServeOIDC(w http.ResponseWriter, r *http.Request, site *Site, db Database, endpoint OIDCEndpoint) {
	h := w.Header()
	h.Set("Cache-Control", "no-store") // DECISIONS 13
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer") // the callback's URL holds a code
	addVary(h, "Origin", "Cookie", "Authorization")
	c := &oidcCall{s: s, w: w, r: r, site: site, db: db, pol: s.policy(db.Name)}
	allowed := endpoint.methods()
	switch {
	case !slices.Contains(allowed, r.Method):
		h.Set("Allow", strings.Join(allowed, ", "))
		c.refuse(errFlow(http.StatusMethodNotAllowed, "Only "+strings.Join(allowed, ", "), ""))
	case s.state.Load() == nil:
		c.refuse(errTryLater("not started", time.Second, ""))
	case site != nil && site.Admin != nil:
		// Whoever administers brings a token, or a session made on a public site.
		c.refuse(errFlow(http.StatusNotFound, "an administrator's site signs nobody in by browser: use the public site", ""))
	case c.pol == nil:
		c.refuse(errNotConfigured(db))
	default:
		c.serve(endpoint)
	}
}

// methods are those of the endpoint. What changes anything is not done by HEAD.
func (e OIDCEndpoint) methods() []string {
	switch e {
	case OIDCLogin, OIDCChallenge:
		return []string{http.MethodGet, http.MethodHead}
	case OIDCBackchannelLogout:
		return []string{http.MethodPost}
	case OIDCCallback, OIDCRefresh, OIDCLogout:
		return []string{http.MethodGet, http.MethodPost}
	}
	return nil
}

func (c *oidcCall) serve(endpoint OIDCEndpoint) {
	switch endpoint {
	case OIDCLogin:
		c.login()
	case OIDCChallenge:
		c.challenge()
	case OIDCCallback:
		c.callback()
	case OIDCRefresh:
		c.refresh()
	case OIDCLogout:
		c.logout()
	case OIDCBackchannelLogout:
		c.backchannelLogout()
	}
}

// provider picks the provider that a request names, or else the database's default
// one; nil if there is none.
func (c *oidcCall) provider(name string) *provider {
	if name == "" {
		return c.pol.first
	}
	for pr := range c.pol.admits {
		if pr.Name == name && pr.Kind == KindOIDC {
			return pr
		}
	}
	return nil
}

// unreachable is for people; programs are told in Sync Gateway's words.
const unreachable = "The sign-in provider cannot be reached. Try again later."

// describe returns the provider's metadata.
func (c *oidcCall) describe(p *provider) (*metadata, *Error) {
	m, err := p.keys.Load().describe(c.r.Context())
	var retry *retryError
	switch {
	case err == nil:
		return m, nil
	case errors.Is(err, errNoDiscovery):
		return nil, errFlow(http.StatusBadRequest, "provider "+p.Name+" cannot be used for sign-in by browser",
			"it has jwks_url, and so no discovery")
	case errors.As(err, &retry):
		reason := "Unable to obtain client for provider: " + p.Name
		if c.back != nil {
			reason = unreachable // a page shows it to people
		}
		return nil, errTryLater(reason, retry.after, retry.Error())
	}
	return nil, errTryLater("the identity provider did not answer in time", time.Second, "")
}

// query reads the URL's query. A parameter of ours that stands there twice is refused:
// another reader may take the other one (RFC 6749 section 3.1).
func (c *oidcCall) query() (url.Values, *Error) {
	q, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		return nil, errFlow(http.StatusBadRequest, "the query of the URL is malformed", "")
	}
	return q, checkSingle(q)
}

func checkSingle(q url.Values) *Error {
	for name, values := range q {
		if len(values) > 1 {
			return errFlow(http.StatusBadRequest, "the parameter "+strconv.Quote(cut(name, 40))+" stands there twice", "")
		}
	}
	return nil
}

// answer writes a JSON body.
func (c *oidcCall) answer(status int, body any) { answerJSON(c.w, c.r, status, body) }

// redirect sends the browser on. After a POST it goes on by GET (RFC 9110 section
// 15.4.4).
func (c *oidcCall) redirect(to string) {
	status := http.StatusFound
	if c.r.Method == http.MethodPost {
		status = http.StatusSeeOther
	}
	h := c.w.Header()
	h.Set("Location", to)
	h.Set("Content-Length", "0")
	c.w.WriteHeader(status)
}

// refuse answers with an error: to the page that the browser returns to, else as JSON.
func (c *oidcCall) refuse(e *Error) {
	logged := *e
	if e.foreign {
		logged.Reason = "oidc callback received an error" // whatever words: they may be anybody's
	}
	c.s.logRefusal(c.r.Context(), c.db.Name, &logged)
	if c.back != nil {
		c.redirect(withError(c.back, e))
		return
	}
	writeRefusal(c.w, c.r, e)
}

// errFlow is a refusal of the code flow.
func errFlow(status int, reason, detail string) *Error {
	e := &Error{Status: status, Name: "bad_request", Reason: reason, Detail: detail}
	e.nobody = status == http.StatusNotFound || status == http.StatusMethodNotAllowed
	switch status {
	case http.StatusUnauthorized:
		e.Name, e.Challenges = "unauthorized", []string{challengeBare}
	case http.StatusForbidden:
		e.Name = "forbidden"
	case http.StatusNotFound:
		e.Name = "not_found"
	case http.StatusMethodNotAllowed:
		e.Name = "method_not_allowed"
	}
	return e
}

func errNotConfigured(db Database) *Error {
	return errFlow(http.StatusBadRequest, "OpenID Connect not configured for database "+db.Name, "unknown provider, or no default one")
}

// verifyFlow judges an ID token that came from p's token endpoint by all that a bearer
// token is judged by, and returns what it says.
func (s *Service) verifyFlow(ctx context.Context, p *provider, raw string) (*verified, *token, *Error) {
	v, refusal := s.verify(ctx, raw, func(o *provider) bool { return o == p })
	if refusal == nil {
		t, err := peek(raw)
		if err == nil && !t.access {
			return v, t, nil
		}
		refusal = errInvalidToken(errTokenKind.Error())
	}
	if refusal.Status != http.StatusUnauthorized {
		return nil, nil, refusal
	}
	// The client did not make it: a bad token is the provider's failure.
	return nil, nil, errProvider("the identity provider's ID token was refused: "+
		strings.TrimPrefix(refusal.Reason, "Invalid login: "), refusal.Detail)
}

// signedIn is the answer to a sign-in, as Sync Gateway has it.
type signedIn struct {
	IDToken      string `json:"id_token,omitempty"`
	RefreshToken string `json:"refresh_token,omitempty"`
	SessionID    string `json:"session_id,omitempty"`
	Name         string `json:"name,omitempty"`
	AccessToken  string `json:"access_token,omitempty"`
	TokenType    string `json:"token_type,omitempty"`
	ExpiresIn    int64  `json:"expires_in,omitempty"` // seconds
}

// finish signs the token's owner in, makes a session, and answers.
func (c *oidcCall) finish(p *provider, v *verified, set *tokenSet) {
	began := time.Now()
	who, refusal := c.s.tokenPrincipal(c.r.Context(), v, c.db, c.pol)
	if refusal != nil {
		c.refuse(refusal)
		return
	}
	body := &signedIn{IDToken: set.id, RefreshToken: set.refresh, Name: who.Name}
	if p.IncludeAccess {
		body.AccessToken, body.TokenType, body.ExpiresIn = set.access, set.kind, set.expiresIn
	}
	if body.SessionID, refusal = c.makeSession(p, v, began); refusal != nil {
		c.refuse(refusal)
		return
	}
	c.s.logger.Debug("signed in by browser", zap.String("database", c.db.Name), zap.String("provider", p.Name),
		zap.String("user", who.Name), zap.Stringer("client", ClientOf(c.r.Context()).Addr))
	if c.back != nil {
		c.redirect(c.back.String()) // without any token: the cookie is all a browser needs
		return
	}
	c.answer(http.StatusOK, body)
}

// makeSession makes a session, with an ID that nobody has seen before, and sets its
// cookie; "" if sessions are off.
func (c *oidcCall) makeSession(p *provider, v *verified, began time.Time) (string, *Error) {
	if p.DisableSession {
		return "", nil
	}
	x, limits := c.s.sessionOfToken(c.r, v, []Database{c.db}, began)
	if x == nil {
		return "", nil
	}
	return c.s.openSession(c.w, c.r, c.site, x, limits)
}
