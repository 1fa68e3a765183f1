package auth

import (
	"net/http"
	"time"
)

// setCookie returns a session's cookie. Every Set-Cookie of ours goes through here, so
// that one that deletes has the same attributes and hits the same cookie. maxAge below
// a second deletes.
func setCookie(r *http.Request, site *Site, p *SessionPolicy, name, value string, maxAge time.Duration) *http.Cookie {
	//nolint:gosec // G124: Secure is as the browser's request is, or it would drop the cookie
	c := &http.Cookie{
		Name: name, Value: value, Path: "/",
		HttpOnly: true, SameSite: p.SameSite, Secure: ClientOf(r.Context()).Secure,
		MaxAge: int((maxAge + time.Second - 1) / time.Second), // what is left of a second counts
	}
	if site != nil && site.CookiePath != "" {
		c.Path = site.CookiePath
	}
	if c.MaxAge <= 0 {
		c.Value, c.MaxAge = "", -1
	}
	return c
}
