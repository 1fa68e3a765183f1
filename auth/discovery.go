package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// metadataVersion moves when metadata gets a member: what an earlier version stored
// lacks it and is discovered anew.
const metadataVersion = 1

// metadata is what we keep of a provider's discovery document (OpenID Connect
// Discovery 1.0 section 3).
type metadata struct {
	Issuer     string   `json:"issuer"`
	JWKSURI    string   `json:"jwks_uri"`
	Algorithms []string `json:"id_token_signing_alg_values_supported,omitempty"`

	// What follows is for sign-in by browser. It is checked when it is used: tokens of
	// a provider without it are verified all the same.
	AuthorizationEndpoint string   `json:"authorization_endpoint,omitempty"`
	TokenEndpoint         string   `json:"token_endpoint,omitempty"`
	EndSessionEndpoint    string   `json:"end_session_endpoint,omitempty"` // RP-Initiated Logout 1.0 section 2.1
	Scopes                []string `json:"scopes_supported,omitempty"`
	TokenAuthMethods      []string `json:"token_endpoint_auth_methods_supported,omitempty"`
	// IssParameter: every answer of the authorization endpoint has iss (RFC 9207 section 3).
	IssParameter bool `json:"authorization_response_iss_parameter_supported,omitempty"`

	// Version is ours.
	Version int `json:"caddy_sync_version,omitempty"`
}

// discoveryURL is where an issuer's document is unless configured otherwise
// (Discovery section 4.1). Entra has the one for all tenants under "common".
func discoveryURL(issuer string) string {
	issuer = strings.Replace(issuer, tenantPlaceholder, "common", 1)
	return strings.TrimSuffix(issuer, "/") + "/.well-known/openid-configuration"
}

// discover fetches a provider's document and checks what it says.
func discover(ctx context.Context, client *http.Client, issuer, address string) (metadata, error) {
	body, _, err := fetch(ctx, client, address)
	if err != nil {
		return metadata{}, fmt.Errorf("discovery: %w", err)
	}
	m, err := parseMetadata(body)
	if err != nil {
		return metadata{}, fmt.Errorf("discovery: %s %w", address, err)
	}
	return m, m.check(issuer, address)
}

// parseMetadata reads a document by the exact names of its members. encoding/json also
// takes "Issuer" and "iſſuer" for "issuer": they are left out, or whoever may add a member
// of another name could replace this one.
func parseMetadata(text []byte) (metadata, error) {
	members, err := parseClaims(text)
	if err != nil {
		return metadata{}, errors.New("is not a JSON object of metadata")
	}
	maps.DeleteFunc(members, func(name string, _ any) bool {
		return strings.ContainsFunc(name, func(r rune) bool { return r > 0x7e || r >= 'A' && r <= 'Z' })
	})
	text, err = json.Marshal(members)
	if err != nil {
		return metadata{}, errors.New("is not a JSON object of metadata")
	}
	var m metadata
	if err := json.Unmarshal(text, &m); err != nil {
		return metadata{}, errors.New("is not a JSON object of metadata")
	}
	m.Version = metadataVersion
	m.Algorithms = slices.DeleteFunc(m.Algorithms, func(a string) bool {
		return !slices.Contains(signatureAlgorithms, a)
	})
	return m, nil
}

// check refuses a document that would have another speak for the issuer.
func (m *metadata) check(issuer, address string) error {
	// Section 4.3: must be identical, or one provider could speak for another.
	if m.Issuer != issuer {
		return fmt.Errorf("discovery: %s names the issuer %.200q, not the configured %q", address, m.Issuer, issuer)
	}
	return m.checkEndpoint("jwks_uri", m.JWKSURI)
}

// checkEndpoint judges an address that the document names.
func (m *metadata) checkEndpoint(member, address string) error {
	if address == "" {
		return fmt.Errorf("discovery: %s is missing", member)
	}
	if err := checkEndpoint(address); err != nil {
		return fmt.Errorf("discovery: %s: %w", member, err)
	}
	// A provider elsewhere must not make us talk to this machine's ports, nor to what
	// answers on link-local addresses (a cloud's metadata). Private addresses are a
	// company's own.
	if localURL(address) && !localURL(m.Issuer) {
		return fmt.Errorf("discovery: %s is on a loopback or link-local host, the issuer is not", member)
	}
	return nil
}

// localURL reports whether a URL's host is named as one that only this machine or its link has.
func localURL(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	host, _, zoned := strings.Cut(u.Hostname(), "%")
	host = strings.TrimRight(host, ".")
	if zoned || loopbackHost(host) { // a zone is one of this machine's links (RFC 4007 section 6)
		return true
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	addr = addr.Unmap()
	return addr.IsLinkLocalUnicast() || addr.IsUnspecified() || addr.IsMulticast()
}

func loopbackURL(address string) bool {
	u, err := url.Parse(address)
	return err == nil && loopbackHost(u.Hostname())
}
