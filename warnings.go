package caddysync

import (
	"net/url"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"golang.org/x/net/publicsuffix"
)

// place is where a site's handler stands in the HTTP app.
type place struct {
	server string
	logs   *caddyhttp.ServerLogConfig
	hosts  []string // of the routes above it; empty for any host
}

// warn says what an operator should know about the sites. It looks at the HTTP app as it
// was provisioned, which is complete only when apps start.
func (a *App) warn() {
	app := a.httpApp()
	if app == nil {
		return
	}
	logs := accessLogs(a.ctx)
	for name, server := range app.Servers {
		findSites(server.Routes, nil, func(site *Handler, hosts []string) {
			where := place{server: name, logs: server.Logs, hosts: hosts}
			a.warnLogs(where, logs)
			site.warnCookies(hosts)
		})
	}
}

// httpApp is the one of the configuration, nil if it has none.
func (a *App) httpApp() *caddyhttp.App {
	loaded, err := a.ctx.AppIfConfigured("http")
	if err != nil {
		return nil
	}
	app, _ := loaded.(*caddyhttp.App)
	return app
}

// findSites calls found for each sync handler below the routes.
func findSites(routes caddyhttp.RouteList, hosts []string, found func(*Handler, []string)) {
	for _, route := range routes {
		inside := hosts
		for _, set := range route.MatcherSets {
			for _, matcher := range set {
				switch m := matcher.(type) {
				case caddyhttp.MatchHost:
					inside = append(slices.Clone(inside), m...)
				case *caddyhttp.MatchHost:
					inside = append(slices.Clone(inside), *m...)
				}
			}
		}
		for _, handler := range route.Handlers {
			switch h := handler.(type) {
			case *Handler:
				found(h, inside)
			case *caddyhttp.Subroute:
				findSites(h.Routes, inside, found)
			}
		}
	}
}

// warnCookies says when browsers will not send the session cookie (DECISIONS 12): a
// script of another site does not get one that is not SameSite=None.
func (h *Handler) warnCookies(hosts []string) {
	if h.CORS == nil || !h.CORS.Credentials || !h.hasLaxCookies() {
		return
	}
	for _, origin := range h.CORS.Origins {
		u, err := url.Parse(origin)
		if err != nil || slices.ContainsFunc(hosts, func(host string) bool { return sameSite(u.Hostname(), host) }) {
			continue
		}
		h.logger.Warn("cors credentials without effect: browsers do not send a SameSite cookie from another site; "+
			"use bearer tokens there, or `session { same_site none }`",
			zap.String("origin", origin), zap.Strings("hosts", hosts))
	}
}

// hasLaxCookies reports whether one of the site's databases makes cookies that stay
// within the site.
func (h *Handler) hasLaxCookies() bool {
	names := h.Databases
	if names[0] == anyDatabase {
		names = sortedKeys(h.app.Databases)
	}
	for _, name := range names {
		d, ok := h.app.database(name)
		if ok && (d.Session == nil || (!d.Session.Off && d.Session.SameSite != "none")) {
			return true
		}
	}
	return false
}

// sameSite reports whether two hosts are of the same site, as browsers mean it: the same
// registrable domain.
func sameSite(a, b string) bool {
	a, b = strings.ToLower(a), strings.ToLower(hostOf(b))
	if a == b {
		return true
	}
	siteA, errA := publicsuffix.EffectiveTLDPlusOne(a)
	siteB, errB := publicsuffix.EffectiveTLDPlusOne(b)
	return errA == nil && errB == nil && siteA == siteB
}
