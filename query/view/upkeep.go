package view

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/caddysync/caddy-sync/query/design"
	"github.com/caddysync/caddy-sync/syncstore"
	"go.uber.org/zap"
)

// Info is the state of a design document's indexes, as CouchDB tells of it. Its views have an
// index each; what is told is the sum, and of sequences the lowest.
type Info struct {
	Signature      string `json:"signature"`
	Language       string `json:"language"`
	UpdaterRunning bool   `json:"updater_running"`
	CompactRunning bool   `json:"compact_running"`
	WaitingCommit  bool   `json:"waiting_commit"`
	UpdateSeq      uint64 `json:"update_seq"`
	PurgeSeq       uint64 `json:"purge_seq"`
	// Rows is how many rows there are. CouchDB has no such member.
	Rows           uint64         `json:"rows"`
	UpdatesPending UpdatesPending `json:"updates_pending"`
}

// UpdatesPending is how many sequences an index does not cover yet.
type UpdatesPending struct {
	Minimum   uint64 `json:"minimum"`
	Preferred uint64 `json:"preferred"`
	Total     uint64 `json:"total"`
}

// Info tells of the indexes of a design document.
func (v *Views) Info(ctx context.Context, c *syncstore.Collection, d *design.Document) (Info, error) {
	info := Info{Language: d.Language}
	if d.Language != design.JavaScript {
		return info, nil
	}
	about := c.Info()
	current := about.Seq - about.FirstSeq
	purges, err := c.Purges(ctx)
	if err != nil {
		return info, err
	}
	info.PurgeSeq = purges
	first := true
	for _, id := range indexesOf(d) {
		index := c.Index(id)
		seq, rows, err := index.Covers(ctx)
		if err != nil {
			return info, err
		}
		seq -= min(about.FirstSeq, seq) // sequences are told from the database's beginning
		if first || seq < info.UpdateSeq {
			info.UpdateSeq = seq
		}
		if first {
			info.Signature = id.String()
		}
		first = false
		info.Rows += rows
		_, running := index.Building()
		info.UpdaterRunning = info.UpdaterRunning || running
	}
	if !first {
		pending := current - min(info.UpdateSeq, current)
		info.UpdatesPending = UpdatesPending{pending, pending, pending}
	}
	return info, nil
}

// indexesOf are the indexes of a design document's views, each once.
func indexesOf(d *design.Document) []syncstore.IndexID {
	var all []syncstore.IndexID
	if d.Language != design.JavaScript {
		return nil
	}
	for name := range d.Views {
		if id := indexID(d, name); !slices.Contains(all, id) {
			all = append(all, id)
		}
	}
	slices.SortFunc(all, func(a, b syncstore.IndexID) int { return slices.Compare(a[:], b[:]) })
	return all
}

// Cleanup drops the indexes of a collection that no design document names.
func (v *Views) Cleanup(ctx context.Context, c *syncstore.Collection) error {
	stored, err := c.StoredIndexes(ctx)
	if err != nil || len(stored) == 0 {
		return err
	}
	docs, err := c.Designs(ctx)
	if err != nil {
		return err
	}
	named := make(map[syncstore.IndexID]bool)
	for _, doc := range docs {
		d, err := v.functions.Parse(doc)
		if err != nil {
			continue // it was stored before such documents were refused
		}
		for _, id := range indexesOf(d) {
			named[id] = true
		}
		v.nameMango(c, d, named)
	}
	for _, id := range stored {
		if named[id] {
			continue
		}
		if err := c.Index(id).Drop(ctx); err != nil {
			return fmt.Errorf("cleaning up views: %w", err)
		}
		v.logger.Info("an index was dropped that no design document names",
			zap.String("keyspace", c.Keyspace()), zap.Stringer("index", id))
	}
	return nil
}

// upkeepInterval is how often indexes are looked after.
const upkeepInterval = 10 * time.Second

// Upkeep looks after the indexes of all collections until ctx ends: it drops those that no design
// document names, and has the others follow, so that a query has not much to wait for.
func (v *Views) Upkeep(ctx context.Context, store *syncstore.Store) {
	ticker := time.NewTicker(upkeepInterval)
	defer ticker.Stop()
	seen := make(map[*syncstore.Collection]upkept)
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		live := make(map[*syncstore.Collection]upkept)
		for _, name := range store.Databases() {
			db, err := store.Database(name)
			if err != nil {
				continue // deleted meanwhile
			}
			for _, c := range db.Collections() {
				if ctx.Err() != nil {
					return
				}
				live[c] = v.keepUp(ctx, c, seen[c])
			}
		}
		seen = live
	}
}

// upkept is what a collection was like when it was looked at last.
type upkept struct {
	looked        bool
	designs, seqs uint64
}

func (v *Views) keepUp(ctx context.Context, c *syncstore.Collection, before upkept) upkept {
	now := upkept{looked: true, designs: c.DesignVersion(), seqs: c.Info().Seq}
	if before == now {
		return now
	}
	if !before.looked || before.designs != now.designs {
		if err := v.Cleanup(ctx, c); err != nil && ctx.Err() == nil && !errors.Is(err, syncstore.ErrNoDatabase) {
			v.logger.Warn("cleaning up views failed; it is tried again", zap.String("keyspace", c.Keyspace()), zap.Error(err))
			now.looked = false
		}
	}
	docs, err := c.Designs(ctx)
	if err != nil {
		return upkept{}
	}
	for _, doc := range docs {
		d, err := v.functions.Parse(doc)
		if err != nil {
			continue
		}
		v.keepUpMango(ctx, c, d, now.seqs)
		if d.Language != design.JavaScript {
			continue
		}
		for name := range d.Views {
			if m, err := v.mapper(c, d, name); err == nil {
				v.follow(ctx, c, indexID(d, name), m, d, now.seqs)
			}
		}
	}
	return now
}

// follow has an index built up to a sequence, which nobody waits for.
func (v *Views) follow(ctx context.Context, c *syncstore.Collection, id syncstore.IndexID, m syncstore.Mapper, d *design.Document, until uint64) {
	index := c.Index(id)
	v.tasks.note(ctx, c, index, d.ID)
	index.Start(m, until)
}
