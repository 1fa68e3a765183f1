package caddysync

import (
	"cmp"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddysync/caddy-sync/syncstore"
)

// Retention says for how long a database keeps what nobody may need any more. What is older
// is removed in the background, at the lowest priority.
type Retention struct {
	// After which time a document that stays deleted is forgotten. Devices that were away for
	// longer do not learn of the deletion: they keep the document, and may bring it back.
	// Default: never.
	Tombstones caddy.Duration `json:"tombstones,omitempty"`

	// How long the bodies of superseded revisions are kept. Default: 24h.
	OldRevisions caddy.Duration `json:"old_revisions,omitempty"`

	// After which time `_local` documents go that nobody writes, such as the checkpoints of
	// devices that are no more. A device that comes back begins from the beginning. Default:
	// never.
	LocalDocuments caddy.Duration `json:"local_documents,omitempty"`

	// How long it is remembered what a user lost. A device that was away for longer is not told
	// to purge it. Default: 2160h (90 days).
	LostAccess caddy.Duration `json:"lost_access,omitempty"`
}

// parse reads it:
//
//	retention {
//	    tombstones <duration>
//	    old_revisions <duration>
//	    local_documents <duration>
//	    lost_access <duration>
//	}
func (r *Retention) parse(d *caddyfile.Dispenser) error {
	if d.NextArg() {
		return d.ArgErr()
	}
	return parseBlock(d, "retention", func(word string) parseWord {
		switch word {
		case "tombstones":
			return longDuration(&r.Tombstones)
		case "old_revisions":
			return longDuration(&r.OldRevisions)
		case "local_documents":
			return longDuration(&r.LocalDocuments)
		case "lost_access":
			return longDuration(&r.LostAccess)
		}
		return nil
	})
}

// check refuses what would remove at once what is to be kept.
func (r *Retention) check() error {
	if r == nil {
		return nil
	}
	return cmp.Or(
		atLeast("retention tombstones", time.Second, r.Tombstones), atLeast("retention old_revisions", time.Second, r.OldRevisions),
		atLeast("retention local_documents", time.Second, r.LocalDocuments), atLeast("retention lost_access", time.Second, r.LostAccess),
	)
}

// retentionOf is a database's retention as the store takes it.
func (a *App) retentionOf(name string) syncstore.Retention {
	d, ok := a.database(name)
	if !ok || d.Retention == nil {
		return syncstore.Retention{}
	}
	return syncstore.Retention{
		OldBodies: time.Duration(d.Retention.OldRevisions), Tombstones: time.Duration(d.Retention.Tombstones),
		LocalDocuments: time.Duration(d.Retention.LocalDocuments), LostAccess: time.Duration(d.Retention.LostAccess),
	}
}
