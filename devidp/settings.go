package devidp

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	jose "github.com/go-jose/go-jose/v4"
)

// settings are what one configuration says, checked and with defaults in place.
type settings struct {
	issuer        string
	base          string // the issuer's path, without a slash at the end
	clients       []Client
	users         []User
	algorithm     jose.SignatureAlgorithm
	tokenLifetime time.Duration
}

func newSettings(h *Handler, issuer string) (settings, error) {
	clients, err := expandSecrets(h.Clients)
	if err != nil {
		return settings{}, err
	}

	s := settings{
		issuer:        issuer,
		clients:       clients,
		users:         h.Users,
		algorithm:     jose.RS256,
		tokenLifetime: defaultTokenLifetime,
	}

	u, err := url.Parse(issuer)
	if err != nil || !isLoopbackURL(issuer) || u.RawQuery != "" || u.ForceQuery {
		// Anything else could not pass checkLoopback; this says so before the first login.
		return settings{}, fmt.Errorf("issuer %q must be an http or https URL on localhost, 127.0.0.1 or [::1], without a query", issuer)
	}

	s.base = strings.TrimSuffix(u.Path, "/")

	if h.Algorithm != "" {
		s.algorithm = jose.SignatureAlgorithm(h.Algorithm)
	}

	if !slices.Contains(algorithms(), s.algorithm) {
		return settings{}, fmt.Errorf("algorithm %q: it must be RS256, ES256 or EdDSA", h.Algorithm)
	}

	if h.TokenLifetime != 0 {
		s.tokenLifetime = time.Duration(h.TokenLifetime)
	}

	if s.tokenLifetime < time.Second {
		return settings{}, fmt.Errorf("token_lifetime %s: it must be at least 1s", s.tokenLifetime)
	}

	return s, s.validateNames()
}

func (s settings) validateNames() error {
	if len(s.clients) == 0 {
		return fmt.Errorf("no client: write `client <id>`, such as `client notes`")
	}

	if len(s.users) == 0 {
		return fmt.Errorf("no user: write `users <name...>`, such as `users alice bob carol`")
	}

	for i, client := range s.clients {
		if err := client.validate(); err != nil {
			return err
		}

		if slices.ContainsFunc(s.clients[:i], func(c Client) bool { return c.ID == client.ID }) {
			return fmt.Errorf("client %s is listed twice", client.ID)
		}
	}

	for i, user := range s.users {
		if err := user.validate(); err != nil {
			return err
		}

		if slices.ContainsFunc(s.users[:i], func(u User) bool { return u.Name == user.Name }) {
			return fmt.Errorf("user %s is listed twice", user.Name)
		}
	}

	return nil
}

func (s settings) client(id string) (Client, error) {
	for _, client := range s.clients {
		if client.ID == id {
			return client, nil
		}
	}

	return Client{}, ErrUnknownClient
}

func (s settings) user(name string) (User, error) {
	for _, user := range s.users {
		if user.Name == name {
			return user, nil
		}
	}

	return User{}, ErrUnknownUser
}

// url is the absolute URL of one of the provider's endpoints.
func (s settings) url(endpoint string) string {
	return strings.TrimSuffix(s.issuer, "/") + endpoint
}
