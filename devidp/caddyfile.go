package devidp

import (
	"encoding/json"
	"slices"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

const directive = "sync_dev_idp"

func registerDirective() {
	httpcaddyfile.RegisterHandlerDirective(directive, func(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
		handler := new(Handler)

		return handler, handler.UnmarshalCaddyfile(h.Dispenser)
	})
	httpcaddyfile.RegisterDirectiveOrder(directive, httpcaddyfile.Before, "respond")
}

// UnmarshalCaddyfile sets up the handler from Caddyfile tokens:
//
//	sync_dev_idp [<matcher>] {
//		issuer         <url>
//		client         <id> [<redirect_uri...>] {
//			name               <what people sign in to>
//			secret             <secret>
//			backchannel_logout <url>
//		}
//		users          <name...>
//		user           <name> {
//			name   <full_name>
//			email  <address> [unverified]
//			claim  <name> <value...>
//		}
//		data           <folder>
//		algorithm      RS256|ES256|EdDSA
//		token_lifetime <duration>
//	}
//
// issuer, one client and one user are needed; client and user may be repeated, for
// another ID and name. No matcher is needed: what is not below the issuer's path is left
// to the next handler. A client may always be answered at any loopback URL, and besides
// at the URIs listed. Several values make a claim an array; one value is taken as JSON if
// it is JSON (claim roles `["admin"]`), as text otherwise.
func (h *Handler) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the directive

	if d.NextArg() {
		return d.ArgErr()
	}

	seen := map[string]bool{}

	for nesting := d.Nesting(); d.NextBlock(nesting); {
		word := d.Val()

		if seen[word] && word != "client" && word != "user" {
			return d.Errf("%s is repeated", word)
		}

		seen[word] = true

		if err := h.unmarshalWord(d, word); err != nil {
			return err
		}
	}

	return nil
}

func (h *Handler) unmarshalWord(d *caddyfile.Dispenser, word string) error {
	switch word {
	case "issuer":
		return oneArg(d, &h.Issuer)
	case "data":
		return oneArg(d, &h.Data)
	case "algorithm":
		return oneArg(d, &h.Algorithm)
	case "token_lifetime":
		return h.unmarshalLifetime(d)
	case "client":
		return h.unmarshalClient(d)
	case "users":
		return h.unmarshalUsers(d)
	case "user":
		return h.unmarshalUser(d)
	default:
		return d.Errf("unknown word %q in %s; there are issuer, client, users, user, data, algorithm and token_lifetime", word, directive)
	}
}

// oneArg reads the only argument of a word, which has no block.
func oneArg(d *caddyfile.Dispenser, to *string) error {
	if !d.AllArgs(to) || *to == "" {
		return d.ArgErr()
	}

	return noBlock(d)
}

func noBlock(d *caddyfile.Dispenser) error {
	word, nesting := d.Val(), d.Nesting()

	if d.NextBlock(nesting) {
		return d.Errf("no block may follow %q", word)
	}

	return nil
}

func (h *Handler) unmarshalLifetime(d *caddyfile.Dispenser) error {
	var text string
	if err := oneArg(d, &text); err != nil {
		return err
	}

	lifetime, err := caddy.ParseDuration(text)
	if err != nil {
		return d.Errf("token_lifetime: %v", err)
	}

	if lifetime <= 0 {
		return d.Errf("token_lifetime must be above zero")
	}

	h.TokenLifetime = caddy.Duration(lifetime)

	return nil
}

func (h *Handler) unmarshalClient(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	if len(args) == 0 {
		return d.ArgErr()
	}

	if slices.ContainsFunc(h.Clients, func(c Client) bool { return c.ID == args[0] }) {
		return d.Errf("client %s is listed twice", args[0])
	}

	client := Client{ID: args[0], RedirectURIs: args[1:]}

	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if err := client.unmarshalWord(d); err != nil {
			return err
		}
	}

	if err := client.validate(); err != nil {
		return d.WrapErr(err)
	}

	h.Clients = append(h.Clients, client)

	return nil
}

func (c *Client) unmarshalWord(d *caddyfile.Dispenser) error {
	var to *string

	word := d.Val()

	switch word {
	case "name":
		to = &c.Name
	case "secret":
		to = &c.Secret
	case "backchannel_logout":
		to = &c.BackchannelLogout
	default:
		return d.Errf("unknown word %q in client; there are name, secret and backchannel_logout", word)
	}

	if *to != "" {
		return d.Errf("%s of client %s is repeated", word, c.ID)
	}

	return oneArg(d, to)
}

func (h *Handler) unmarshalUsers(d *caddyfile.Dispenser) error {
	names := d.RemainingArgs()
	if len(names) == 0 {
		return d.ArgErr()
	}

	for _, name := range names {
		if err := h.addUser(d, User{Name: name}); err != nil {
			return err
		}
	}

	return noBlock(d)
}

func (h *Handler) addUser(d *caddyfile.Dispenser, user User) error {
	if slices.ContainsFunc(h.Users, func(u User) bool { return u.Name == user.Name }) {
		return d.Errf("user %s is listed twice", user.Name)
	}

	if err := user.validate(); err != nil {
		return d.WrapErr(err)
	}

	h.Users = append(h.Users, user)

	return nil
}

func (h *Handler) unmarshalUser(d *caddyfile.Dispenser) error {
	var user User
	if !d.AllArgs(&user.Name) {
		return d.ArgErr()
	}

	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if err := user.unmarshalWord(d); err != nil {
			return err
		}
	}

	return h.addUser(d, user)
}

func (u *User) unmarshalWord(d *caddyfile.Dispenser) error {
	word, args := d.Val(), d.RemainingArgs()

	switch {
	case word == "name" && len(args) == 1:
		return u.setText(d, "name", args[0])
	case word == "email" && len(args) == 1:
		return u.setText(d, "email", args[0])
	case word == "email" && len(args) == 2 && args[1] == "unverified":
		if err := u.setClaim(d, "email_verified", json.RawMessage("false")); err != nil {
			return err
		}

		return u.setText(d, "email", args[0])
	case word == "claim" && len(args) >= 2:
		value, err := claimValue(args[1:])
		if err != nil {
			return d.WrapErr(err)
		}

		return u.setClaim(d, args[0], value)
	case word == "name" || word == "email" || word == "claim":
		return d.ArgErr()
	default:
		return d.Errf("unknown word %q in user; there are name, email and claim", word)
	}
}

func (u *User) setText(d *caddyfile.Dispenser, claim, text string) error {
	value, err := json.Marshal(text)
	if err != nil {
		return d.WrapErr(err)
	}

	return u.setClaim(d, claim, value)
}

func (u *User) setClaim(d *caddyfile.Dispenser, claim string, value json.RawMessage) error {
	if _, ok := u.Claims[claim]; ok {
		return d.Errf("claim %s of user %s is repeated", claim, u.Name)
	}

	if u.Claims == nil {
		u.Claims = map[string]json.RawMessage{}
	}

	u.Claims[claim] = value

	return noBlock(d)
}

var _ caddyfile.Unmarshaler = (*Handler)(nil)
