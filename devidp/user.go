package devidp

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/zitadel/oidc/v3/pkg/oidc"
)

// User is somebody who can sign in, by being chosen.
type User struct {
	// The user's name: the claims `sub` and, unless Claims has another,
	// `preferred_username`. Letters, digits and `. _ @ + -`, at most 128.
	Name string `json:"name"`

	// Further claims, by name, as JSON. Defaults: `name` is the user's name with a
	// capital, `email` is <name>@example.com and `email_verified` is true; null leaves
	// a claim out. Claims that the provider sets itself (iss, aud, exp …) are refused.
	Claims map[string]json.RawMessage `json:"claims,omitempty"`
}

// No colon: the library joins token and user with one.
var userNamePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}$`)

func (u User) validate() error {
	if !userNamePattern.MatchString(u.Name) {
		return fmt.Errorf("user name %q: only letters, digits and . _ @ + - are allowed, at most 128, beginning with a letter or digit", u.Name)
	}

	for name, value := range u.Claims {
		if isProtocolClaim(name) {
			return fmt.Errorf("claim %q of user %s: %w", name, u.Name, ErrReservedClaim)
		}

		if !json.Valid(value) {
			return fmt.Errorf("claim %q of user %s: %w", name, u.Name, errors.New("not valid JSON"))
		}
	}

	return nil
}

// isProtocolClaim tells whether a claim is about the token rather than about the user.
func isProtocolClaim(name string) bool {
	switch name {
	case "", "iss", "sub", "aud", "exp", "iat", "nbf", "jti", "azp", "nonce", "auth_time", "acr", "amr", "at_hash", "c_hash", "client_id", "events", "sid":
		return true
	default:
		return false
	}
}

// claims are the claims about the user that scopes give, as OpenID Connect Core section
// 5.4 has them; claims that it gives to no scope are always there.
func (u User) claims(scopes []string) map[string]any {
	email := u.Name
	if !strings.Contains(email, "@") {
		// RFC 2606 reserves the domain, so that no mail ever reaches a stranger.
		email += "@example.com"
	}

	all := map[string]any{
		"preferred_username": u.Name,
		"name":               strings.ToUpper(u.Name[:1]) + u.Name[1:],
		"email":              email,
		"email_verified":     true,
	}

	for name, value := range u.Claims {
		all[name] = value

		if string(value) == "null" {
			delete(all, name)
		}
	}

	maps.DeleteFunc(all, func(name string, _ any) bool {
		scope := scopeOfClaim(name)

		return scope != "" && !slices.Contains(scopes, scope)
	})

	return all
}

// display is what the login form calls the user: the full name, and beside it the name and
// the address as far as they say more.
func (u User) display() (title, detail string) {
	claims := u.claims([]string{oidc.ScopeProfile, oidc.ScopeEmail})
	text := func(claim string) (text string) {
		switch value := claims[claim].(type) {
		case string:
			return value
		case json.RawMessage:
			_ = json.Unmarshal(value, &text) // "" if it is no text
		}

		return text
	}

	var details []string

	if title = text("name"); title == "" {
		title = u.Name
	}

	if !strings.EqualFold(title, u.Name) {
		details = append(details, u.Name)
	}

	if email := text("email"); email != "" {
		details = append(details, email)
	}

	return title, strings.Join(details, " · ")
}

func scopeOfClaim(name string) string {
	switch name {
	case "name", "family_name", "given_name", "middle_name", "nickname", "preferred_username", "profile",
		"picture", "website", "gender", "birthdate", "zoneinfo", "locale", "updated_at":
		return oidc.ScopeProfile
	case "email", "email_verified":
		return oidc.ScopeEmail
	case "phone_number", "phone_number_verified":
		return oidc.ScopePhone
	case "address":
		return oidc.ScopeAddress
	default:
		return ""
	}
}

// claimValue is the JSON of the words that a Caddyfile gives a claim: several words are
// an array; one word is itself if it is JSON (true, 42, ["admin"]), and text otherwise.
func claimValue(words []string) (json.RawMessage, error) {
	values := make([]json.RawMessage, len(words))

	for i, word := range words {
		if json.Valid([]byte(word)) {
			values[i] = json.RawMessage(word)

			continue
		}

		text, err := json.Marshal(word)
		if err != nil {
			return nil, fmt.Errorf("encoding claim value %q: %w", word, err)
		}

		values[i] = text
	}

	if len(values) == 1 {
		return values[0], nil
	}

	list, err := json.Marshal(values)
	if err != nil {
		return nil, fmt.Errorf("encoding claim values: %w", err)
	}

	return list, nil
}
