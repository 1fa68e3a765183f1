package auth

import (
	"encoding/base64"
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxBasic is the longest Basic credentials, encoded, in bytes: a name and a password of
// the greatest length.
const maxBasic = (maxUserName + 1 + maxPassword + 2) / 3 * 4

var errBadBasic = errors.New("malformed Basic credentials")

// readBasic reads Basic credentials (RFC 7617 section 2). An empty name, whatever the
// password, counts as no credentials: name is "" (DECISIONS 39). Two readers of a header
// must not see two names in it, so there is one spelling only: strict base64 of UTF-8
// without control characters. Errors tell nothing of what was sent.
func readBasic(encoded string) (name, password string, err error) {
	if len(encoded) > maxBasic || strings.ContainsAny(encoded, "\r\n") { // the decoder skips line ends
		return "", "", errBadBasic
	}
	text, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return "", "", errBadBasic
	}
	if len(text) == 0 {
		return "", "", nil
	}
	name, password, ok := strings.Cut(string(text), ":")
	switch {
	case ok && name == "":
		return "", "", nil
	case !ok, !utf8.Valid(text), strings.ContainsFunc(string(text), unicode.IsControl):
		return "", "", errBadBasic
	}
	return name, password, nil
}
