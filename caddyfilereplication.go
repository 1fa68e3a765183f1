package caddysync

import "github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

// parseReplicate reads a replication with another server:
//
//	replicate <name> {
//	    from|to <url>
//	    continuous
//	    channels <channel...>
//	    bearer {env.…}
//	    basic|cookie <name> {env.…}
//	    user <name>
//	    heartbeat <duration>
//	    batch <n>
//	}
func (d *Database) parseReplicate(in *caddyfile.Dispenser) error {
	var name string
	if !in.AllArgs(&name) {
		return in.ArgErr()
	}
	if !replicationName.MatchString(name) {
		return in.Errf("replicate %q: a name has letters, digits, _, . and -", name)
	}
	if _, twice := d.Replicate[name]; twice {
		return in.Errf("replicate %s is defined twice", name)
	}
	r := new(Replication)
	if err := parseBlock(in, "replicate", r.word); err != nil {
		return err
	}
	if err := r.check(); err != nil {
		return in.Errf("replicate %s: %w", name, err)
	}
	if d.Replicate == nil {
		d.Replicate = make(map[string]*Replication)
	}
	d.Replicate[name] = r
	return nil
}

func (r *Replication) word(word string) parseWord {
	switch word {
	case "from":
		return text(&r.From)
	case "to":
		return text(&r.To)
	case "continuous":
		return flag(&r.Continuous)
	case "channels":
		return list(&r.Channels)
	case "bearer":
		return text(&r.Bearer)
	case "basic":
		r.Basic = new(ReplicationLogin)
		return r.Basic.parse
	case "cookie":
		r.Cookie = new(ReplicationLogin)
		return r.Cookie.parse
	case "user":
		return text(&r.User)
	case "heartbeat":
		return longDuration(&r.Heartbeat)
	case "batch":
		return number(&r.Batch)
	}
	return nil
}

// parse reads a name and a password.
func (l *ReplicationLogin) parse(d *caddyfile.Dispenser) error {
	word := d.Val()
	if !d.AllArgs(&l.Name, &l.Password) {
		return d.ArgErr()
	}
	return noBlock(d, word)
}
