package devidp

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"sync"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
)

const (
	loginLifetime   = 30 * time.Minute    // from opening the form to choosing a user
	codeLifetime    = 5 * time.Minute     // RFC 6749 section 4.1.2 allows ten
	refreshLifetime = 30 * 24 * time.Hour // of one refresh token; a refresh gives a new one

	maxLogins = 1000
	maxGrants = 10_000
)

// logins remembers who is signing in and who has signed in: open login forms, codes, and
// what refresh and access tokens stand for. It lives in memory and is shared by all
// configurations with the same issuer and data folder, so that a reload loses nothing.
//
// Codes and refresh tokens are kept as hashes, and used ones are remembered: the second
// use of either ends all that came from the first (RFC 6749 section 4.1.2, RFC 9700
// section 4.14.2), since one of the two users must be a thief.
type logins struct {
	mu       sync.Mutex
	requests *expiring[*authRequest] // by ID
	over     *expiring[*authRequest] // completed and cancelled ones, for who goes back to the form
	codes    *expiring[*code]        // by hash
	refresh  *expiring[*refresh]     // by hash
	access   *expiring[*access]      // by token ID
}

// grant is what one sign-in gave to one client; its tokens end with it.
type grant struct {
	user, client string
	sid          string // names the sign-in in ID tokens and logout tokens
	scopes       []string
	authTime     time.Time
	ended        bool
}

type code struct {
	request *authRequest
	used    bool
	grant   *grant // of the first use
}

type refresh struct {
	grant *grant
	used  bool
}

type access struct {
	grant  *grant
	scopes []string
}

func newLogins() *logins {
	return &logins{
		requests: newExpiring[*authRequest](maxLogins),
		over:     newExpiring[*authRequest](maxLogins),
		codes:    newExpiring[*code](maxLogins),
		refresh:  newExpiring[*refresh](maxGrants),
		access:   newExpiring[*access](maxGrants),
	}
}

// begin remembers an authorization request and gives it an ID.
func (l *logins) begin(req *oidc.AuthRequest, hint string) *authRequest {
	request := &authRequest{id: rand.Text(), params: *req, hint: hint}

	l.mu.Lock()
	defer l.mu.Unlock()

	l.requests.put(request.id, request, loginLifetime)

	return request
}

// request returns the open authorization request, or ErrLoginGone.
func (l *logins) request(id string) (*authRequest, error) {
	l.mu.Lock()
	defer l.mu.Unlock()

	request, ok := l.requests.get(id)
	if !ok {
		return nil, ErrLoginGone
	}

	return request, nil
}

// complete says who signed in, once.
func (l *logins) complete(id, user string) (*authRequest, error) {
	l.mu.Lock()
	defer l.mu.Unlock()

	request, ok := l.requests.get(id)
	if !ok || request.Done() {
		return nil, ErrLoginGone
	}

	done := *request // a copy: the first may be being read elsewhere
	done.user, done.authTime, done.sid = user, time.Now(), rand.Text()
	l.requests.replace(id, &done)

	return &done, nil
}

// cancel forgets an authorization request.
func (l *logins) cancel(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()

	if request, ok := l.requests.get(id); ok {
		l.over.put(id, request, loginLifetime)
	}

	l.requests.delete(id)
}

// ended returns a request that was completed, or cancelled.
func (l *logins) ended(id string) (*authRequest, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()

	return l.over.get(id)
}

// issueCode turns a completed request into a code, once.
func (l *logins) issueCode(id, text string) error {
	l.mu.Lock()
	defer l.mu.Unlock()

	request, ok := l.requests.get(id)
	if !ok || !request.Done() {
		return ErrLoginGone
	}

	l.requests.delete(id)
	l.over.put(id, request, loginLifetime)
	l.codes.put(hash(text), &code{request: request}, codeLifetime)

	return nil
}

// redeem returns the request that a code stands for, once. The code is spent even if
// the exchange fails then (a wrong verifier): a thief has one guess, not many.
func (l *logins) redeem(text string) (*authRequest, error) {
	l.mu.Lock()
	defer l.mu.Unlock()

	found, ok := l.codes.get(hash(text))
	if !ok {
		return nil, errCodeGone
	}

	if found.used {
		if found.grant == nil { // the first use is on its way
			found.grant = &grant{}
		}

		found.grant.ended = true

		return nil, errCodeGone
	}

	found.used = true

	request := *found.request
	request.code = found

	return &request, nil
}

// grantFor makes the grant of a redeemed code; ok is false if the code was used a second
// time meanwhile.
func (l *logins) grantFor(request *authRequest) (_ *grant, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()

	if request.code == nil || request.code.grant != nil {
		return nil, false
	}

	request.code.grant = &grant{
		user: request.user, client: request.params.ClientID, sid: request.sid,
		scopes: request.GetScopes(), authTime: request.authTime,
	}

	return request.code.grant, true
}

// newAccess makes the ID of an access token.
func (l *logins) newAccess(g *grant, scopes []string, lifetime time.Duration) string {
	l.mu.Lock()
	defer l.mu.Unlock()

	id := rand.Text()
	l.access.put(id, &access{grant: g, scopes: scopes}, lifetime)

	return id
}

// accessByID returns whom an access token is for, with which scopes.
func (l *logins) accessByID(id string) (g grant, scopes []string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()

	found, ok := l.access.get(id)
	if !ok || found.grant.ended {
		return grant{}, nil, errAccessGone
	}

	return *found.grant, found.scopes, nil
}

// newRefresh makes a refresh token.
func (l *logins) newRefresh(g *grant) string {
	l.mu.Lock()
	defer l.mu.Unlock()

	return l.putRefresh(g)
}

func (l *logins) putRefresh(g *grant) string {
	text := rand.Text() + rand.Text() // 256 bits
	l.refresh.put(hash(text), &refresh{grant: g}, refreshLifetime)

	return text
}

// refreshRequest returns what a refresh token may still be used for.
func (l *logins) refreshRequest(text string) (*refreshRequest, error) {
	l.mu.Lock()
	defer l.mu.Unlock()

	found, err := l.findRefresh(text)
	if err != nil {
		return nil, err
	}

	g := found.grant

	return &refreshRequest{
		grant: g, user: g.user, client: g.client, sid: g.sid,
		scopes: slices.Clone(g.scopes), authTime: g.authTime,
	}, nil
}

// rotate takes a refresh token for the last time and gives the next.
func (l *logins) rotate(text string) (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()

	found, err := l.findRefresh(text)
	if err != nil {
		return "", err
	}

	found.used = true

	return l.putRefresh(found.grant), nil
}

func (l *logins) findRefresh(text string) (*refresh, error) {
	found, ok := l.refresh.get(hash(text))
	if !ok || found.grant.ended {
		return nil, errRefreshGone
	}

	if found.used {
		found.grant.ended = true

		return nil, errRefreshGone
	}

	return found, nil
}

// grantOf returns the grant that a refresh token (by its text) or an access token (by
// its ID) belongs to.
func (l *logins) grantOf(token string) (*grant, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()

	if found, ok := l.refresh.get(hash(token)); ok {
		return found.grant, true
	}

	if found, ok := l.access.get(token); ok {
		return found.grant, true
	}

	return nil, false
}

// end ends one grant.
func (l *logins) end(g *grant) {
	l.mu.Lock()
	defer l.mu.Unlock()

	g.ended = true
}

// endAll ends what a user gave to a client: one sign-in by its sid, or all if that is
// empty.
func (l *logins) endAll(user, client, sid string) {
	l.mu.Lock()
	defer l.mu.Unlock()

	ends := func(g *grant) {
		if g.user == user && g.client == client && (sid == "" || g.sid == sid) {
			g.ended = true
		}
	}

	for _, entry := range l.refresh.entries {
		ends(entry.value.grant)
	}

	for _, entry := range l.access.entries {
		ends(entry.value.grant)
	}
}

func hash(secret string) string {
	sum := sha256.Sum256([]byte(secret))

	return hex.EncodeToString(sum[:])
}
