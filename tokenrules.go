package caddysync

import (
	"cmp"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddysync/caddy-sync/auth"
)

// TokenRules say which of a provider's good tokens are accepted, and what is taken from
// them.
type TokenRules struct {
	// The claim, or path to it (`profile.name`), that names a user at the first sign-in.
	// Default: `sub`.
	UsernameClaim string `json:"username_claim,omitempty"`

	// What stands before user names, with a `_`. Default: host and path of the issuer,
	// escaped, or the provider's name if the issuer is no URL, unless a username claim is
	// set.
	UserPrefix string `json:"user_prefix,omitempty"`

	// The claim, or path to it, with a user's roles. Default: none.
	RolesClaim string `json:"roles_claim,omitempty"`

	// The claim, or path to it, with channels that a user may see. Default: none.
	ChannelsClaim string `json:"channels_claim,omitempty"`

	// Claims that a token must have, each with one of the values given.
	Require map[string][]string `json:"require,omitempty"`

	// Whether a user is made at the first valid token. Default: false.
	Register bool `json:"register,omitempty"`

	// By how much a token may seem to be of the future (`iat`, `nbf`). `exp` has no
	// leeway. Default: 30s.
	ClockSkew *caddy.Duration `json:"clock_skew,omitempty"`

	// How old a token may be, whatever its `exp`. Default: no limit.
	MaxTokenAge caddy.Duration `json:"max_token_age,omitempty"`

	// Whether access tokens (`typ` at+jwt, RFC 9068) are accepted too. Default: false.
	AccessTokens bool `json:"access_tokens,omitempty"`
}

// setRules sets the rules as auth takes them.
func (r *TokenRules) setRules(out *auth.Provider) {
	out.UsernameClaim, out.UserPrefix = r.UsernameClaim, r.UserPrefix
	out.RolesClaim, out.ChannelsClaim, out.Require = r.RolesClaim, r.ChannelsClaim, r.Require
	out.Register, out.AccessTokens = r.Register, r.AccessTokens
	out.MaxTokenAge = time.Duration(r.MaxTokenAge)
	if r.ClockSkew != nil {
		if out.ClockSkew = time.Duration(*r.ClockSkew); out.ClockSkew == 0 {
			out.ClockSkew = auth.NoClockSkew
		}
	}
}

// check refuses placeholders, none of which is replaced in the rules, and times that are too short.
func (r *TokenRules) check() error {
	for _, one := range []struct{ option, text string }{
		{"username_claim", r.UsernameClaim}, {"user_prefix", r.UserPrefix}, {"roles_claim", r.RolesClaim}, {"channels_claim", r.ChannelsClaim},
	} {
		if err := checkLiteral(one.option, one.text); err != nil {
			return err
		}
	}
	if r.ClockSkew != nil {
		if err := atLeast("clock_skew", time.Millisecond, *r.ClockSkew); err != nil {
			return err
		}
	}
	return cmp.Or(atLeast("max_token_age", time.Second, r.MaxTokenAge), checkLiteralClaims("require", r.Require))
}

func (r *TokenRules) word(word string) parseWord {
	switch word {
	case "username_claim":
		return text(&r.UsernameClaim)
	case "user_prefix":
		return text(&r.UserPrefix)
	case "roles_claim":
		return text(&r.RolesClaim)
	case "channels_claim":
		return text(&r.ChannelsClaim)
	case "require":
		return claimValues(&r.Require)
	case "register":
		return flag(&r.Register)
	case "clock_skew":
		r.ClockSkew = new(caddy.Duration)
		return duration(r.ClockSkew)
	case "max_token_age":
		return longDuration(&r.MaxTokenAge)
	case "access_tokens":
		return flag(&r.AccessTokens)
	}
	return nil
}

// claimValues reads `<word> <claim> <value...>`; a claim stands there once.
func claimValues(to *map[string][]string) parseWord {
	return func(d *caddyfile.Dispenser) error {
		word := d.Val()
		args := d.RemainingArgs()
		if len(args) < 2 {
			return d.ArgErr()
		}
		claim, values := args[0], args[1:]
		if _, twice := (*to)[claim]; twice {
			return d.Errf("%s %s is repeated: write its values on one line", word, claim)
		}
		if slices.Contains(args, "") {
			return d.Errf("%s: a claim or a value is empty", word)
		}
		if *to == nil {
			*to = make(map[string][]string)
		}
		(*to)[claim] = values
		return noBlock(d, word)
	}
}
