package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// metadata is what we keep of a provider's discovery document (OpenID Connect
// Discovery 1.0 section 3).
type metadata struct {
	Issuer     string   `json:"issuer"`
	JWKSURI    string   `json:"jwks_uri"`
	Algorithms []string `json:"id_token_signing_alg_values_supported,omitempty"`
}

// discoveryURL is where an issuer's document is unless configured otherwise
// (Discovery section 4.1).
func discoveryURL(issuer string) string {
	return strings.TrimSuffix(issuer, "/") + "/.well-known/openid-configuration"
}

// discover fetches a provider's document and checks what it says.
func discover(ctx context.Context, client *http.Client, issuer, address string) (metadata, error) {
	body, _, err := fetch(ctx, client, address)
	if err != nil {
		return metadata{}, fmt.Errorf("discovery: %w", err)
	}
	var m metadata
	if err := json.Unmarshal(body, &m); err != nil {
		return metadata{}, fmt.Errorf("discovery: %s is not a JSON object of metadata", address)
	}
	// Section 4.3: must be identical, or one provider could speak for another.
	if m.Issuer != issuer {
		return metadata{}, fmt.Errorf("discovery: %s names the issuer %.200q, not the configured %q", address, m.Issuer, issuer)
	}
	if err := checkEndpoint(m.JWKSURI); err != nil {
		return metadata{}, fmt.Errorf("discovery: jwks_uri: %w", err)
	}
	// A provider elsewhere must not make us read this machine's ports.
	if strings.HasPrefix(m.JWKSURI, "http:") && !loopbackURL(issuer) {
		return metadata{}, errors.New("discovery: jwks_uri is on a loopback host, the issuer is not")
	}
	m.Algorithms = slices.DeleteFunc(m.Algorithms, func(a string) bool {
		return !slices.Contains(signatureAlgorithms, a)
	})
	return m, nil
}

func loopbackURL(address string) bool {
	u, err := url.Parse(address)
	return err == nil && loopbackHost(u.Hostname())
}
