package auth

import (
	"net/http"
	"net/url"
	"strings"
)

// foreign reports whether a page of an origin that is neither this site's nor listed has
// made the browser send this request, whatever its method. It is for GETs that change
// something; for others the cross-origin check has been done (DECISIONS 12). A client
// that says nothing of it is no browser, or one too old to tell.
func (c *oidcCall) foreign() bool {
	h := c.r.Header
	site := h.Get("Sec-Fetch-Site")
	if site == "same-origin" || site == "none" {
		return false
	}
	origin := h.Get("Origin")
	if origin == "" || origin == "null" {
		// A link's GET has no Origin.
		if u, err := url.Parse(h.Get("Referer")); err == nil && u.Host != "" {
			origin = originOf(u)
		}
	}
	switch {
	case origin == "":
		return site != ""
	case listedOrigin(c.site, origin):
		return false
	}
	// A browser that does not say is judged by the host, as net/http does: whether it
	// came by TLS to the proxy before us is not always known.
	_, host, _ := strings.Cut(origin, "://")
	_, own, _ := strings.Cut(siteOrigin(c.r), "://")
	return site != "" || host == "" || host != own
}

// prefetched reports whether the browser asks ahead of its user.
func prefetched(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Sec-Purpose"), "prefetch") || r.Header.Get("Purpose") == "prefetch"
}
