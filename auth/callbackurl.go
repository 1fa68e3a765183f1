package auth

import (
	"net/http"
	"net/url"
	"strings"
)

// callbackPath is the last part of the redirect_uri's path.
const callbackPath = "_oidc_callback"

// siteOrigin is the site as the browser sees it, "" if the Host is none.
func siteOrigin(r *http.Request) string {
	client := ClientOf(r.Context())
	scheme, host := "http", client.Host
	if client.Secure {
		scheme = "https"
	}
	if host == "" {
		host = r.Host
	}
	u, err := url.Parse(scheme + "://" + host)
	if err != nil || u.Host != host || !plainHost(host) {
		return ""
	}
	return originOf(u)
}

// originOf is a URL's origin as browsers write it: lower case and no default port.
func originOf(u *url.URL) string {
	host := strings.ToLower(u.Host)
	switch scheme := strings.ToLower(u.Scheme); scheme {
	case "https":
		return scheme + "://" + strings.TrimSuffix(host, ":443")
	case "http":
		return scheme + "://" + strings.TrimSuffix(host, ":80")
	default:
		return scheme + "://" + host
	}
}

// plainHost reports whether a URL's host, with port, is written in the one way that no
// two readers take differently.
func plainHost(host string) bool {
	return host != "" && !strings.ContainsFunc(host, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-._:[]", r)
	})
}

// callbackURL is the redirect_uri for a provider: as configured, or as the browser sees
// this site. Each provider of a database has its own, so that an answer of one cannot
// be taken for an answer of another (RFC 9700 section 4.4).
func callbackURL(r *http.Request, site *Site, db Database, pol *policy, p *provider) (string, *Error) {
	if p.CallbackURL != "" {
		return p.CallbackURL, nil
	}
	origin := siteOrigin(r)
	if origin == "" {
		return "", errFlow(http.StatusBadRequest, "the request has no usable Host", "")
	}
	address := origin
	if site != nil {
		address += site.Prefix
	}
	address += "/" + url.PathEscape(db.Name) + "/" + callbackPath
	if p != pol.first {
		address += "?provider=" + url.QueryEscape(p.Name)
	}
	return address, nil
}
