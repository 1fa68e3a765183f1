package caddysync

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
)

// checkDatabases refuses databases that cannot be.
func (a *App) checkDatabases() error {
	if len(a.Databases) == 0 {
		return errors.New("there is no database: write `database <name>` into the sync option")
	}
	names := sortedKeys(a.Databases)
	for _, name := range names {
		d := a.Databases[name]
		if d == nil {
			d = new(Database) // "notes": null means all defaults
			a.Databases[name] = d
		}
		if err := d.check(name); err != nil {
			return err
		}
		if first := a.Databases[names[0]]; d.revisions() != first.revisions() {
			return fmt.Errorf("database %s: revisions is %d here and %d in %s: databases of one store keep the same number",
				name, d.revisions(), first.revisions(), names[0])
		}
	}
	return nil
}

// checkListed refuses databases that list providers under the word of the other kind, or
// jwt providers that are not there; auth refuses the rest.
func (a *App) checkListed() error {
	for _, name := range sortedKeys(a.Databases) {
		for _, listed := range a.Databases[name].OIDC {
			_, there := a.OIDC[listed]
			if _, other := a.JWT[listed]; other && !there {
				return fmt.Errorf("database %s: oidc %s: this is a jwt provider: write `jwt %s`", name, listed, listed)
			}
		}
		for _, listed := range a.Databases[name].JWT {
			if _, there := a.JWT[listed]; there {
				continue
			}
			if _, other := a.OIDC[listed]; other {
				return fmt.Errorf("database %s: jwt %s: this is an oidc provider: write `oidc %s`", name, listed, listed)
			}
			return fmt.Errorf("database %s: jwt %s: there is no provider of that name: add `jwt %s { … }` to the sync options",
				name, listed, listed)
		}
	}
	return nil
}

// settings are what the store is opened with.
func (a *App) settings() storeSettings {
	for _, d := range a.Databases {
		return storeSettings{revisions: d.revisions()} // the same in all
	}
	return storeSettings{}
}

// checkIssuer refuses issuers whose keys would come over the network unprotected.
func checkIssuer(name, issuer string) error {
	u, err := url.Parse(issuer)
	if err != nil || u.Host == "" {
		return fmt.Errorf("oidc %s: issuer %q is not a URL like https://login.example.com", name, issuer)
	}
	if u.Scheme == "https" || (u.Scheme == "http" && isLoopbackHost(u.Hostname())) {
		return nil
	}
	return fmt.Errorf("oidc %s: issuer %s: use https (http is for loopback hosts only)", name, issuer)
}

// isLoopbackHost reports whether a host without its port is this machine.
func isLoopbackHost(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

// hostOf returns the host of an address without its port.
func hostOf(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return address
}
