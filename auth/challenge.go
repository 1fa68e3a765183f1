package auth

import "strings"

// realm is the protection space named in challenges (RFC 9110 section 11.5).
const realm = "caddy-sync"

// challengeBare is the challenge to a request without credentials: no error code
// (RFC 6750 section 3.1).
const challengeBare = `Bearer realm="` + realm + `"`

// challengeBasic is the challenge where passwords sign in (RFC 7617 section 2).
const challengeBasic = `Basic realm="` + realm + `", charset="UTF-8"`

// challenge returns a Bearer challenge with an RFC 6750 error code.
func challenge(code, description string) string {
	return challengeBare + `, error="` + code + `", error_description="` + quotable(description) + `"`
}

// quotable drops what RFC 6750 section 3 does not allow in error_description:
// anything but printable ASCII, the quote and the backslash.
func quotable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7e || r == '"' || r == '\\' {
			return -1
		}
		return r
	}, s)
}
