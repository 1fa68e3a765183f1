package caddysync

import (
	"time"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// parseDatabase reads the policy of a database:
//
//	database <name>|* {
//	    oidc <name...>
//	    jwt <name...>
//	    default_provider <name>
//	    access shared|private|channels
//	    sync_function <file>
//	    collection [<scope>.]<name> { … }
//	    unreadable not_found|forbidden
//	    guest { … }
//	    password_auth
//	    session { … }
//	    limits { … }
//	    retention { … }
//	    lite_ids
//	    delta_sync on|off
//	    revisions <n>
//	    replicate <name> { … }
//	}
func (a *App) parseDatabase(d *caddyfile.Dispenser) error {
	var name string
	if !d.AllArgs(&name) || name == "" {
		return d.ArgErr()
	}
	if _, twice := a.Databases[name]; twice {
		return d.Errf("database %s is defined twice", name)
	}
	if name != anyDatabase && !databaseName.MatchString(name) {
		return d.Errf("database %q: a name begins with a letter a-z and has a-z, 0-9 and _$()+-/ only", name)
	}
	db := new(Database)
	if a.Databases == nil {
		a.Databases = make(map[string]*Database)
	}
	a.Databases[name] = db
	if err := parseBlock(d, "database", db.word, "collection", "replicate"); err != nil {
		return err
	}
	if err := db.validateAccess(); err != nil {
		return d.Errf("database %s: %w", name, err)
	}
	return nil
}

func (d *Database) word(word string) parseWord {
	switch word {
	case "oidc":
		return list(&d.OIDC)
	case "jwt":
		return list(&d.JWT)
	case "default_provider":
		return text(&d.DefaultProvider)
	case "collection":
		return d.parseCollection
	case "unreadable":
		return d.parseUnreadable
	case "guest":
		return d.parseGuest
	case "password_auth":
		return flag(&d.PasswordAuth)
	case "session":
		d.Session = new(Session)
		return d.Session.parse
	case "limits":
		d.Limits = new(Limits)
		return d.Limits.parse
	case "retention":
		d.Retention = new(Retention)
		return d.Retention.parse
	case "lite_ids":
		return flag(&d.LiteIDs)
	case "delta_sync":
		return onOff(&d.DeltaSync)
	case "revisions":
		return number(&d.Revisions)
	case "replicate":
		return d.parseReplicate
	}
	return d.AccessPolicy.word(word)
}

// parse reads the limits of sessions:
//
//	session {
//	    lifetime <duration>
//	    idle <duration>
//	    cookie <name>
//	    same_site lax|strict|none
//	    domain <domain>
//	    secure on|off
//	    http_only on|off
//	    until_token_expiry
//	    off
//	}
func (s *Session) parse(d *caddyfile.Dispenser) error {
	if d.NextArg() {
		return d.ArgErr()
	}
	return parseBlock(d, "session", func(word string) parseWord {
		switch word {
		case "lifetime":
			return longDuration(&s.Lifetime)
		case "idle":
			return longDuration(&s.Idle)
		case "cookie":
			return text(&s.Cookie)
		case "same_site":
			return s.parseSameSite
		case "domain":
			return text(&s.Domain)
		case "secure":
			return onOff(&s.Secure)
		case "http_only":
			return onOff(&s.HTTPOnly)
		case "until_token_expiry":
			return flag(&s.UntilTokenExpiry)
		case "off":
			return flag(&s.Off)
		}
		return nil
	})
}

func (s *Session) parseSameSite(d *caddyfile.Dispenser) error {
	if err := text(&s.SameSite)(d); err != nil {
		return err
	}
	if _, ok := sameSites[s.SameSite]; !ok {
		return d.Errf("unknown same_site %q: write lax, strict or none", s.SameSite)
	}
	return nil
}

// parse reads how much clients may send, and their queries cost:
//
//	limits {
//	    document <size>
//	    attachment <size>
//	    request <size>
//	    bulk_docs <n>
//	    find_documents <n>
//	    find_time <duration>
//	    user_feeds <n>|off
//	    user_requests <n>|off
//	}
func (l *Limits) parse(d *caddyfile.Dispenser) error {
	if d.NextArg() {
		return d.ArgErr()
	}
	return parseBlock(d, "limits", func(word string) parseWord {
		switch word {
		case "document":
			return size(&l.Document)
		case "attachment":
			return size(&l.Attachment)
		case "request":
			return size(&l.Request)
		case "bulk_docs":
			return number(&l.BulkDocs)
		case "find_documents":
			return number(&l.FindDocuments)
		case "find_time":
			return durationFrom(time.Millisecond, &l.FindTime) // 0 would be the default
		case "user_feeds":
			return numberOrOff(&l.UserFeeds)
		case "user_requests":
			return numberOrOff(&l.UserRequests)
		}
		return nil
	})
}
