package auth

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"
)

const (
	// explainEvery is how often tokens can be explained for long, and explainBurst how
	// many at once: each may cost a signature and a fetch of keys.
	explainEvery = 100 * time.Millisecond
	explainBurst = 20
)

// Explanation says of a token, check by check, whether and why it would sign in. It never
// repeats the token.
type Explanation struct {
	OK     bool           `json:"ok"`
	Checks []ExplainCheck `json:"checks"`
}

// ExplainCheck is one check. Detail says what was found and, if it is not good, what to
// change.
type ExplainCheck struct {
	Check  string `json:"check"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
}

// explainer explains one token.
type explainer struct {
	s      *Service
	db     *Database
	now    time.Time
	checks []ExplainCheck
	failed bool
}

// Explain says check by check what a token passes and what not (DECISIONS 42). It goes on
// after a failed check as far as that makes sense. db is where the token is to be used; nil
// leaves out what depends on a database. actor is the administrator who asks. The checks
// are those of the real sign-in, whose verdict is the last word; nothing is remembered, and
// nobody is registered. The error is an *Error: too many at a time.
func (s *Service) Explain(ctx context.Context, actor *Principal, raw string, db *Database) (Explanation, error) {
	if s.state.Load() == nil {
		return Explanation{}, errTryLater("not started", time.Second, "")
	}
	if !s.explains.allow(time.Now()) {
		return Explanation{}, errThrottled(time.Second)
	}
	e := &explainer{s: s, db: db, now: time.Now()}
	raw = strings.TrimSpace(raw)
	v := e.token(ctx, raw)
	e.verdict(ctx, raw, v)
	fields := []zap.Field{auditActor(actor), zap.Bool("ok", !e.failed)}
	if db != nil {
		fields = append(fields, auditDB(*db))
	}
	s.audit.event(ctx, auditTokenExplained, fields...)
	return Explanation{OK: !e.failed, Checks: e.checks}, nil
}

// explainLimit bounds how many tokens are explained (the generic cell rate algorithm).
type explainLimit struct {
	mu   sync.Mutex
	full time.Time // when there are explainBurst again
}

func (l *explainLimit) allow(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	next := now
	if l.full.After(now) {
		next = l.full
	}
	next = next.Add(explainEvery)
	if next.Sub(now) > explainBurst*explainEvery {
		return false
	}
	l.full = next
	return true
}

// pass and fail note a check.
func (e *explainer) pass(check, format string, args ...any) {
	e.checks = append(e.checks, ExplainCheck{Check: check, OK: true, Detail: fmt.Sprintf(format, args...)})
}

func (e *explainer) fail(check, format string, args ...any) {
	e.failed = true
	e.checks = append(e.checks, ExplainCheck{Check: check, Detail: fmt.Sprintf(format, args...)})
}

// verdict asks the real sign-in, and says so if it refuses what every check passed. v is
// what the token says, nil if that could not be read.
func (e *explainer) verdict(ctx context.Context, raw string, v *verified) {
	if e.failed || v == nil {
		e.failed = true
		return
	}
	if _, refusal := e.s.examine(ctx, raw, e.now, e.admits); refusal != nil {
		e.fail("verdict", "%s", refusal.Reason)
	}
}

// admits tells the providers whose tokens the database takes.
func (e *explainer) admits(p *provider) bool {
	if e.db == nil {
		return true
	}
	pol := e.s.policy(e.db.Name)
	return pol != nil && pol.admits[p]
}

// token runs the checks and returns what the token says of its owner, nil if that cannot
// be told.
func (e *explainer) token(ctx context.Context, raw string) *verified {
	t, header := e.form(raw)
	if t == nil {
		return nil
	}
	readable := e.header(t, header)
	readable = e.claims(t) && readable
	if !readable {
		// Its issuer may still be known, which is what is wrong most often.
		if t.issuer != "" {
			e.provider(t)
		}
		return nil
	}
	p := e.provider(t)
	if p == nil {
		return nil
	}
	e.times(t, p)
	e.signature(ctx, t, p)
	v := e.owner(t, p)
	if v == nil {
		return nil
	}
	if e.db == nil {
		e.pass("account", "not looked at: name a database to see which user the token is there")
		return v
	}
	e.account(ctx, v.applicant)
	return v
}

// form takes a token apart; nil if that is not possible.
func (e *explainer) form(raw string) (*token, claims) {
	parts := strings.Split(raw, ".")
	switch {
	case raw == "":
		e.fail("form", "there is no token: send it as the body, or as {\"token\":\"…\"}")
		return nil, nil
	case len(raw) > maxToken:
		e.fail("form", "the token has %d bytes, and %d are taken: let the provider put fewer claims into it", len(raw), maxToken)
		return nil, nil
	case len(parts) == 5:
		e.fail("form", "the token is encrypted (JWE): let the provider issue signed tokens (JWS)")
		return nil, nil
	case len(parts) != 3:
		e.fail("form", "a token has three parts with dots between them, this has %d: send the ID token, not an opaque access token or a session ID", len(parts))
		return nil, nil
	}
	t := &token{raw: raw}
	var decoded [3][]byte
	for i, name := range []string{"header", "payload", "signature"} {
		var err error
		if decoded[i], err = decodePart(parts[i]); err != nil {
			e.fail("form", "the %s is not base64url without padding (%s): the token was cut or changed on its way", name, padding(parts[i]))
			return nil, nil
		}
	}
	header, err := parseClaims(decoded[0])
	if err != nil {
		e.fail("form", "the header is %s", err)
		return nil, nil
	}
	t.payload = decoded[1]
	if t.claims, err = parseClaims(t.payload); err != nil {
		e.fail("form", "the payload is %s", err)
		return nil, nil
	}
	if len(decoded[2]) == 0 {
		e.fail("form", "the token is not signed: its third part is empty")
	} else {
		e.pass("form", "a signed token with three parts")
	}
	return t, header
}

// padding says what is wrong with a part, without repeating it.
func padding(part string) string {
	switch {
	case part == "":
		return "it is empty"
	case strings.ContainsAny(part, "=+/"):
		return "it has =, + or /"
	}
	if _, err := base64.RawURLEncoding.DecodeString(part); err == nil {
		return "its last character has bits that mean nothing"
	}
	return "its length or a character is wrong"
}

// header judges the header and reports whether it could be read.
func (e *explainer) header(t *token, h claims) bool {
	good := true
	note := func(check string, err error, format string, args ...any) {
		if err != nil {
			good = false
			e.fail(check, format, args...)
		}
	}
	alg := shown(h["alg"])
	err := t.readAlgorithm(h)
	note("algorithm", err, "alg is %s: only signatures by a private key are taken (%s)", alg, strings.Join(signatureAlgorithms, " "))
	if err == nil {
		e.pass("algorithm", "%s", t.alg)
	}
	note("kid", t.readKeyID(h), "kid is not a string")
	err = t.readType(h)
	note("type", err, "typ is %s: send an ID token (or, with access_tokens, one with typ at+jwt)", shown(h["typ"]))
	note("header", checkExtensions(t, h), "the header has crit, b64, jwk or enc, which no ID token needs")
	err2 := t.refuseEvents()
	note("type", err2, "the token has events: it is a logout or security event token, which signs nobody in")
	switch {
	case err != nil || err2 != nil:
	case t.access:
		e.pass("type", "an access token (RFC 9068)")
	default:
		e.pass("type", "an ID token")
	}
	return good
}

// claims reads the claims that every token needs and reports whether all are there.
func (e *explainer) claims(t *token) bool {
	good := true
	for _, c := range claimChecks {
		if c.name == "events" {
			continue // told by header
		}
		if err := c.read(t); err != nil {
			good = false
			e.fail(c.name, "%s", err)
		}
	}
	return good
}

// shown is a claim's value for a text.
func shown(v any) string {
	switch v := v.(type) {
	case nil:
		return "missing"
	case string:
		return quoted(v)
	}
	return "not a string"
}

func quoted(s string) string { return fmt.Sprintf("%q", cut(s, 200)) }
