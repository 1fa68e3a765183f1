package devidp

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	jose "github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/crypto"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
	"go.uber.org/zap"
)

// maxDevTTL keeps exp a date; tests ask for tokens that live a hundred years.
const maxDevTTL = 200 * 365 * 24 * time.Hour

// devTokenRequest is what /dev/token is asked for.
type devTokenRequest struct {
	user      User
	client    Client
	algorithm jose.SignatureAlgorithm
	ttl       time.Duration
	claims    map[string]json.RawMessage
}

// devToken makes an ID token of a listed user for a script, without a browser. Fields of
// the form: user; optional client_id (default: the first listed), ttl (a duration or
// seconds; negative for an expired token), alg, and claims (a JSON object: null leaves a
// claim out; iss, aud and exp are refused, DECISIONS 20). The answer is {"id_token":…},
// or the bare token to Accept: text/plain (DECISIONS 19).
func (p *provider) devToken(w http.ResponseWriter, r *http.Request) {
	form, err := devForm(r, "user", "client_id", "ttl", "alg", "claims")
	if err != nil {
		badDevRequest(w, err)

		return
	}

	req, err := p.parseDevToken(form)
	if err != nil {
		badDevRequest(w, err)

		return
	}

	if !p.haveKeys(w) {
		return
	}

	token, err := p.signDevToken(req)
	if err != nil {
		p.log.Error("making a token", zap.Error(err))
		http.Error(w, "The token cannot be made; the server's log says why.", http.StatusInternalServerError)

		return
	}

	p.log.Debug("made a token", zap.String("user", req.user.Name), zap.String("client_id", req.client.ID))

	if prefersPlainText(r.Header.Get("Accept")) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, token)

		return
	}

	writeJSON(w, http.StatusOK, map[string]string{"id_token": token})
}

// devForm reads a body with known fields, as curl sends it with -d or with -F.
func devForm(r *http.Request, known ...string) (url.Values, error) {
	if r.URL.RawQuery != "" {
		return nil, errors.New("the fields belong in the body, not in the URL")
	}

	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))

	var err error

	switch kind {
	case "application/x-www-form-urlencoded":
		err = r.ParseForm()
	case "multipart/form-data":
		err = r.ParseMultipartForm(maxBody)
	default:
		return nil, errors.New("send a form (Content-Type: application/x-www-form-urlencoded), as curl -d does")
	}

	if err != nil {
		return nil, errors.New("the form cannot be read")
	}

	for name := range r.PostForm {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("unknown field %q; there are %s", name, strings.Join(known, ", "))
		}

		if repeated(r.PostForm, name) {
			return nil, fmt.Errorf("the field %s is repeated", name)
		}
	}

	return r.PostForm, nil
}

func (p *provider) parseDevToken(form url.Values) (req devTokenRequest, err error) {
	if req.user, err = p.user(form.Get("user")); err != nil {
		return req, fmt.Errorf("user %q: %w; listed are %s", form.Get("user"), err, strings.Join(p.userNames(), ", "))
	}

	req.client = p.clients[0]
	if form.Has("client_id") {
		if req.client, err = p.client(form.Get("client_id")); err != nil {
			return req, fmt.Errorf("client_id %q: %w", form.Get("client_id"), err)
		}
	}

	req.algorithm = p.algorithm
	if form.Has("alg") {
		req.algorithm = jose.SignatureAlgorithm(form.Get("alg"))
	}

	if !slices.Contains(algorithms(), req.algorithm) {
		return req, fmt.Errorf("alg %q: it must be RS256, ES256 or EdDSA", form.Get("alg"))
	}

	req.ttl = p.tokenLifetime
	if form.Has("ttl") {
		if req.ttl, err = parseDuration("ttl", form.Get("ttl")); err != nil {
			return req, err
		}
	}

	if form.Has("claims") {
		req.claims, err = parseDevClaims(form.Get("claims"))
	}

	return req, err
}

// parseDuration reads a field that is a duration or a number of seconds.
func parseDuration(field, text string) (time.Duration, error) {
	if seconds, err := strconv.ParseInt(text, 10, 64); err == nil {
		if limit := int64(maxDevTTL / time.Second); seconds < -limit || seconds > limit {
			return 0, fmt.Errorf("%s %q is longer than 200 years", field, text)
		}

		return time.Duration(seconds) * time.Second, nil
	}

	ttl, err := caddy.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("%s %q: it must be a duration such as 15m or a number of seconds", field, text)
	}

	if ttl.Abs() > maxDevTTL {
		return 0, fmt.Errorf("%s %q is longer than 200 years", field, text)
	}

	return ttl, nil
}

func parseDevClaims(text string) (map[string]json.RawMessage, error) {
	var claims map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &claims); err != nil || claims == nil {
		return nil, errors.New("claims must be a JSON object")
	}

	for _, name := range []string{"iss", "aud", "exp"} {
		if _, ok := claims[name]; ok {
			return nil, fmt.Errorf("claims may not set %s: %w", name, ErrReservedClaim)
		}
	}

	return claims, nil
}

func (p *provider) signDevToken(req devTokenRequest) (string, error) {
	now := time.Now()
	expires, issued := now.Add(req.ttl), now

	if req.ttl <= 0 {
		issued = expires.Add(-time.Minute) // an expired token, not a nonsensical one
	}

	claims := req.user.claims([]string{oidc.ScopeProfile, oidc.ScopeEmail, oidc.ScopePhone, oidc.ScopeAddress})
	claims["iss"] = p.issuer
	claims["sub"] = req.user.Name
	claims["aud"] = []string{req.client.ID}
	claims["azp"] = req.client.ID
	claims["exp"] = expires.Unix()
	claims["iat"] = issued.Unix()
	claims["auth_time"] = issued.Unix()
	// Two tokens of one second must differ: a server that refuses one of them (DECISIONS
	// 4) knows it by its digest.
	claims["jti"] = rand.Text()

	for name, value := range req.claims {
		claims[name] = value

		if string(value) == "null" {
			delete(claims, name)
		}
	}

	key, err := p.storage.keys.signing(req.algorithm)
	if err != nil {
		return "", err
	}

	signer, err := op.SignerFromKey(key)
	if err != nil {
		return "", fmt.Errorf("preparing to sign with %s: %w", req.algorithm, err)
	}

	token, err := crypto.Sign(claims, signer)
	if err != nil {
		return "", fmt.Errorf("signing with %s: %w", req.algorithm, err)
	}

	return token, nil
}

func (s settings) userNames() []string {
	names := make([]string, len(s.users))
	for i, user := range s.users {
		names[i] = user.Name
	}

	return names
}

// prefersPlainText tells whether an Accept header ranks text/plain above JSON. Equal
// ranks go by order; a wildcard means JSON.
func prefersPlainText(accept string) bool {
	best, plain := 0.0, false

	for part := range strings.SplitSeq(accept, ",") {
		kind, params, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}

		quality := 1.0
		if q, ok := params["q"]; ok {
			if quality, err = strconv.ParseFloat(q, 64); err != nil {
				continue
			}
		}

		if (kind == "text/plain" || kind == "application/json" || kind == "*/*") && quality > best {
			best, plain = quality, kind == "text/plain"
		}
	}

	return plain
}

func badDevRequest(w http.ResponseWriter, err error) {
	writeJSON(w, http.StatusBadRequest, map[string]string{"error": "invalid_request", "error_description": err.Error()})
}

func writeJSON(w http.ResponseWriter, status int, value map[string]string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value)
}
