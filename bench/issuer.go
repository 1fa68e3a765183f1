package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

const clientID = "bench"

// issuer is an OpenID Connect provider as far as a server looks at one: discovery and
// keys. It lives in this process, so that ten thousand tokens cost nothing.
type issuer struct {
	url    string
	signer jose.Signer
	server *http.Server
}

// startIssuer starts a provider at an address that was free. If remembered, a file, is not "", it is where
// it was when the file was written: a store that is used again knows its users by it.
func startIssuer(remembered string) (*issuer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making the issuer's key: %w", err)
	}
	signer, err := jose.NewSigner(
		jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: "bench"}},
		(&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return nil, fmt.Errorf("making the issuer's signer: %w", err)
	}
	address := "127.0.0.1:0"
	if text, err := os.ReadFile(remembered); err == nil {
		address = string(text)
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("starting the issuer: %w", err)
	}
	if remembered != "" {
		if err := os.WriteFile(remembered, []byte(listener.Addr().String()), 0o600); err != nil {
			_ = listener.Close()
			return nil, fmt.Errorf("starting the issuer: %w", err)
		}
	}
	i := &issuer{url: "http://" + listener.Addr().String(), signer: signer}
	keys := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "bench", Algorithm: "ES256", Use: "sig"}}}
	mux := http.NewServeMux()
	answer := func(path string, what any) {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(what)
		})
	}
	answer("/keys", keys)
	answer("/.well-known/openid-configuration", map[string]any{
		"issuer": i.url, "jwks_uri": i.url + "/keys",
		"authorization_endpoint": i.url + "/authorize", "token_endpoint": i.url + "/token",
		"response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"},
		"id_token_signing_alg_values_supported": []string{"ES256"},
	})
	i.server = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() {
		if err := i.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			panic(err) // nothing could be measured any more
		}
	}()
	return i, nil
}

func (i *issuer) close() { _ = i.server.Close() }

// token is an ID token of a user.
func (i *issuer) token(user string) (string, error) { return i.tokenWith(user, nil) }

// tokenWith is an ID token with further claims.
func (i *issuer) tokenWith(user string, further map[string]any) (string, error) {
	now := time.Now()
	claims := map[string]any{
		"iss": i.url, "sub": user, "aud": clientID, "name": "User " + user,
		"iat": now.Unix(), "exp": now.Add(6 * time.Hour).Unix(),
	}
	maps.Copy(claims, further)
	token, err := jwt.Signed(i.signer).Claims(claims).Serialize()
	if err != nil {
		return "", fmt.Errorf("signing a token: %w", err)
	}
	return token, nil
}
