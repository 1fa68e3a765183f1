package devidp

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// allowsRedirect tells whether a code, or a browser after sign-out, may be sent to uri.
//
// Any loopback URL will do, at any port and path: RFC 8252 section 7.3 wants it so for
// ports, and to a development server's page nobody registers paths. Everything else
// must be listed, letter for letter (RFC 9700 section 2.1).
func (c Client) allowsRedirect(uri string) bool {
	return isLoopbackURL(uri) || slices.Contains(c.RedirectURIs, uri)
}

// validateRedirectURI refuses what must not be listed: a code sent by plain HTTP over a
// network, and schemes that a browser executes or opens as a file.
func validateRedirectURI(raw string) error {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme == "" {
		return fmt.Errorf("redirect URI %q is not an absolute URL", raw)
	}

	if u.Fragment != "" || strings.Contains(raw, "#") {
		return fmt.Errorf("redirect URI %q must not have a fragment (RFC 6749 section 3.1.2)", raw)
	}

	switch u.Scheme {
	case "http", "https":
		if isLoopbackURL(raw) || (u.Scheme == "https" && u.Hostname() != "" && u.User == nil) {
			return nil
		}

		return fmt.Errorf("redirect URI %q must be https or on localhost, 127.0.0.1 or [::1]", raw)
	case "javascript", "data", "vbscript", "file", "blob", "about":
		return fmt.Errorf("redirect URI %q has a scheme that no app answers", raw)
	default:
		return nil
	}
}

// formActionSource are the CSP source expressions under which a form may be answered by a
// redirect to uri: browsers apply form-action to redirects as well, and to those that follow.
// A sync server that signs its users in here sends the browser on to its app's page, which
// the development server of that app has on another port.
func formActionSource(uri string) string {
	if isLoopbackURL(uri) {
		return loopbackSources(uri)
	}

	u, err := url.Parse(uri)
	if err != nil {
		return ""
	}

	if u.Scheme == "http" || u.Scheme == "https" {
		return u.Scheme + "://" + u.Host
	}

	return u.Scheme + ":"
}

// loopbackSources are the origins of this machine, as far as CSP can say them.
func loopbackSources(uri string) string {
	if strings.Contains(uri, "[") {
		return "http: https:"
	}

	return "http://localhost:* https://localhost:* http://127.0.0.1:* https://127.0.0.1:*"
}
