package auth

import (
	"net/http"
	"strings"
	"time"
)

// setCookie returns a session's cookie. Every Set-Cookie of ours goes through here, so
// that one that deletes has the same attributes and hits the same cookie. maxAge below
// a second deletes.
func setCookie(r *http.Request, site *Site, p *SessionPolicy, name, value string, maxAge time.Duration) *http.Cookie {
	//nolint:gosec // G124: the attributes are the operator's; by default Secure is as the browser's request is
	c := &http.Cookie{
		Name: name, Value: value, Path: "/", Domain: p.Domain,
		HttpOnly: p.HTTPOnly != Off, SameSite: p.SameSite,
		// Usually as the browser's request is, or it would drop the cookie.
		Secure: p.Secure == On || p.Secure == Usual && ClientOf(r.Context()).Secure,
		MaxAge: int((maxAge + time.Second - 1) / time.Second), // what is left of a second counts
	}
	if site != nil && site.CookiePath != "" && !strings.HasPrefix(strings.ToLower(name), "__host-") {
		c.Path = site.CookiePath
	}
	// Max-Age counts where both are there (RFC 6265 section 5.3), but some know Expires alone:
	// CouchDB's Node client, old HTTP libraries.
	c.Expires = time.Now().Add(maxAge)
	if c.MaxAge <= 0 {
		c.Value, c.MaxAge, c.Expires = "", -1, time.Unix(0, 0)
	}
	return c
}
