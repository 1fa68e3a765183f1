package movein

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/caddysync/caddy-sync/replication/peer"
)

const (
	// maxListed is how many documents are named that are not here, and why.
	maxListed = 20
	// maxRetaken is how many of them are asked for once more.
	maxRetaken = 1000
	// attempts is how often a server fails, without anything getting on, until the command gives up: with
	// the delays between them some two minutes.
	attempts = 8
	// defaultBatch is how many changes are looked at at once, as in peer.
	defaultBatch = 200
)

// documents takes over those of a keyspace, and compares.
func (m *move) documents(ctx context.Context, p *pair) error {
	refusals := make(map[string]string)
	r, err := m.replication(p, refusals)
	if err != nil {
		return err
	}
	if !m.CheckOnly {
		if err := m.replicate(ctx, p, r); err != nil {
			return err
		}
		if m.Kind == CouchDB {
			if err := m.localDocuments(ctx, p); err != nil {
				return err
			}
		}
	}
	return m.check(ctx, p, r, refusals)
}

// replication is that of a pair. refusals takes why documents are not taken.
func (m *move) replication(p *pair, refusals map[string]string) (*peer.Replication, error) {
	source, target := m.Source, m.Target
	source.URL, target.URL = p.from, p.to
	return peer.New(peer.Options{
		Name: last(p.to), Direction: peer.Pull, Remote: source, Target: &target, ReadOnly: true, Keyspace: last(p.to),
		Batch: m.Batch, Patience: m.Patience, MinDelay: m.MinDelay, MaxDelay: 30 * max(m.MinDelay, time.Second), Attempts: attempts,
		OnFailure: func(id, _ string, reason error) {
			if len(refusals) < maxRetaken {
				refusals[id] = reason.Error()
			}
		},
	})
}

// replicate takes the documents over, and shows how far it is.
func (m *move) replicate(ctx context.Context, p *pair, r *peer.Replication) error {
	total := m.count(ctx, p)
	ended := make(chan error, 1)
	go func() {
		_, err := r.Run(ctx)
		ended <- err
	}()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for told := ""; ; {
		select {
		case err := <-ended:
			if err != nil {
				return fmt.Errorf("%s: %w", p.name(), err)
			}
			s := r.Status()
			m.Teller.Say("%s: %d revisions taken over, %d were here already.", last(p.to), s.Written, s.Checked-s.Missing)
			return nil
		case <-tick.C:
		}
		s := r.Status()
		if s.State == peer.Retrying && s.Error != told {
			m.Teller.Say("%s: %s; it is tried again.", last(p.to), s.Error)
			told = s.Error
		}
		if s.Pending >= 0 {
			total = s.Rows + uint64(s.Pending)
		}
		m.Teller.Progress(last(p.to)+": documents", s.Rows, max(total, s.Rows))
	}
}

// count is how many documents the source says that it has, 0 if it does not.
func (m *move) count(ctx context.Context, p *pair) uint64 {
	var info struct {
		Docs    uint64 `json:"doc_count"`
		Deleted uint64 `json:"doc_del_count"`
	}
	_ = m.source.At(p.from).JSON(ctx, http.MethodGet, "", nil, nil, &info) // it is only for the progress
	return info.Docs + info.Deleted
}

// check compares both sides, has what differs taken over once more, and says what is left.
func (m *move) check(ctx context.Context, p *pair, r *peer.Replication, refusals map[string]string) error {
	total := m.count(ctx, p)
	progress := func(c *peer.Comparison) { m.Teller.Progress(last(p.to)+": compared", c.Docs, max(total, c.Docs)) }
	var differ []peer.Difference
	found, err := r.Compare(ctx, nil, progress, func(d peer.Difference) {
		if len(differ) < maxRetaken {
			differ = append(differ, d)
		}
	})
	if err != nil {
		return fmt.Errorf("comparing %s: %w", p.name(), err)
	}
	left := found.Different
	if len(differ) > 0 && !m.CheckOnly {
		before := uint64(len(differ))
		if differ, err = m.again(ctx, r, differ); err != nil {
			return fmt.Errorf("%s: %w", p.name(), err)
		}
		left -= before - uint64(len(differ))
	}
	m.report(p, found, left, differ, refusals)
	return nil
}

// again takes documents over once more that differ, a page at a time, and says which still do: what was changed while it was
// compared is as good as the rest, and why another is refused is asked anew.
func (m *move) again(ctx context.Context, r *peer.Replication, differ []peer.Difference) (left []peer.Difference, err error) {
	for some := range slices.Chunk(differ, cmp.Or(m.Batch, defaultBatch)) {
		ids := make([]string, len(some))
		for i := range some {
			ids[i] = some[i].ID
		}
		if err := r.Retake(ctx, ids); err != nil {
			return nil, err
		}
		if _, err := r.Compare(ctx, ids, func(*peer.Comparison) {}, func(d peer.Difference) { left = append(left, d) }); err != nil {
			return nil, err
		}
	}
	return left, nil
}

// report says what was found.
func (m *move) report(p *pair, c *peer.Comparison, different uint64, differ []peer.Difference, refusals map[string]string) {
	m.Teller.Say("%s: %d documents there, %d of them deleted, with %d leaves and %d attachments.", last(p.to), c.Docs, c.Deleted, c.Leaves, c.Attachments)
	if c.Ahead > 0 {
		m.Teller.Say("%s: %d documents were written to here as well: all of theirs is here, and more.", last(p.to), c.Ahead)
	}
	if different == 0 {
		m.Teller.Say("%s: all are here: the same winners, leaves, bodies and attachments.", last(p.to))
		if c.Different == 0 && c.Ahead == 0 {
			m.Teller.Say("%s: sha256 over them: %.16s there, %.16s here.", last(p.to), c.Source.String(), c.Target.String())
		}
		return
	}
	m.failed = true
	m.Teller.Say("%s: %d documents are NOT here as they are there:", last(p.to), different)
	for i, d := range differ {
		if i == maxListed {
			break
		}
		reason := ""
		if why := refusals[d.ID]; why != "" {
			reason = ": " + why
		}
		m.Teller.Say("  %q: %s%s", d.ID, d.What, reason)
	}
	if more := different - uint64(min(len(differ), maxListed)); more > 0 {
		m.Teller.Say("  … and %d more", more)
	}
}
