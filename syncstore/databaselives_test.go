package syncstore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/syncstore/engine"
	"github.com/caddysync/caddy-sync/test/histories"
	"github.com/stretchr/testify/require"
)

// databaseLives is one name that stands for one database after the other.
type databaseLives struct {
	*fixture
	stop chan struct{}
}

// user writes, reads and follows, in whatever database has the name.
func (l *databaseLives) user(rng *rand.Rand, number int) {
	for n := 0; ; n++ {
		select {
		case <-l.stop:
			return
		default:
		}
		db, err := l.store.Database("db")
		if err != nil {
			l.only(err, ErrNoDatabase)
			continue
		}
		if err := l.use(db, rng, fmt.Sprint(number, " ", n)); err != nil && !l.over(db, err) {
			l.t.Error(err)
		}
	}
}

// over reports whether an error is that of a database that is deleted.
func (l *databaseLives) over(db *Database, err error) bool {
	select {
	case <-db.Done():
		return errorsIsAny(err, ErrNoDatabase, ErrNotFound, ErrMissingStub)
	default:
		return errors.Is(err, ErrNoDatabase) // it is said before Done
	}
}

func (l *databaseLives) use(db *Database, rng *rand.Rand, id string) error {
	ctx := context.Background()
	c := db.Default()
	body := fmt.Sprintf(`{"db":%d}`, db.ID())
	if rng.IntN(3) == 0 {
		items, err := db.OpenCollection(ctx, "shop", "items")
		if err != nil {
			return err
		}
		c = items
	}
	edit := Edit{ID: id, Body: []byte(body)}
	switch rng.IntN(6) {
	case 0:
		u := db.NewUpload(ctx)
		if _, err := u.Write(make([]byte, rng.IntN(2*chunkSize))); err != nil {
			return err
		}
		if rng.IntN(3) == 0 {
			u.Abort()
			return nil
		}
		content, err := u.Commit(ctx)
		if err != nil {
			return err
		}
		edit.Attachments = []AttachmentEdit{{Name: "a", Content: content}}
	case 1:
		if _, err := c.PutLocal(ctx, "alice", id, "", []byte(body)); err != nil {
			return err
		}
	case 2:
		if _, err := c.Purge(ctx, []Purging{{ID: id}}); err != nil {
			return err
		}
	}
	if w := c.Write(ctx, []Edit{edit}, WriteOptions{})[0]; w.Err != nil {
		return w.Err
	}
	doc, err := c.Get(ctx, id, GetOptions{})
	if err != nil {
		return err
	}
	if string(doc.Body) != body {
		l.t.Errorf("%s, read from database %d", doc.Body, db.ID())
	}
	_, err = c.Changes(ctx, ChangesOptions{FeedOptions: FeedOptions{}}, func(row *Change) error {
		if row.Seq>>32 != uint64(db.ID()-1) && row.Seq>>32 != uint64(db.ID()) && db.ID() != 1 {
			l.t.Errorf("sequence %d in database %d", row.Seq, db.ID())
		}
		return nil
	})
	return err
}

// follow waits for changes of one database after the other.
func (l *databaseLives) follow() {
	for {
		db, err := l.store.Database("db")
		if err == nil {
			feed := db.Default().Follow(At(0), FeedOptions{})
			select {
			case <-feed.Ready():
			case <-db.Done():
			case <-l.stop:
			}
			_, err := feed.Read(context.Background(), 10, func(*Change) error { return nil })
			if err != nil && !l.over(db, err) {
				l.t.Error(err)
			}
			feed.Close()
		}
		select {
		case <-l.stop:
			return
		default:
		}
	}
}

// left counts the keys of databases that are not there any more.
func (l *databaseLives) left(live map[uint32]bool) (n int) {
	require.NoError(l.t, l.engine.View(context.Background(), func(r engine.Reader) error {
		pairs, failed := r.Scan(engine.Range{})
		for key := range pairs {
			if len(key) < prefixSize || key[0] == kindStore || key[0] == kindFormat {
				continue
			}
			if id := uint32(key[1])<<24 | uint32(key[2])<<16 | uint32(key[3])<<8 | uint32(key[4]); id != 0 && !live[id] {
				n++
			}
		}
		return failed()
	}))
	return n
}

// A database is deleted and made again under its name, while it is used: what was written to one is never in
// another, and nothing is left of those that are gone. HISTORIES says how many histories are played.
func TestDecision30_NothingOfADeletedDatabaseIsInTheNextOrLeft(t *testing.T) {
	t.Parallel()
	for seed := range histories.Count(2) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			l := &databaseLives{fixture: newFixture(t), stop: make(chan struct{})}
			var group sync.WaitGroup
			for i := range 3 {
				group.Go(func() { l.user(rand.New(rand.NewPCG(seed, uint64(i))), i) })
			}
			group.Go(l.follow)
			rng := rand.New(rand.NewPCG(seed, 100))
			for range 40 {
				time.Sleep(time.Duration(rng.IntN(3000)) * time.Microsecond)
				require.NoError(t, l.store.DeleteDatabase(t.Context(), "db"))
				if rng.IntN(2) == 0 {
					time.Sleep(time.Duration(rng.IntN(500)) * time.Microsecond)
				}
				_, err := l.store.CreateDatabase(t.Context(), "db")
				require.NoError(t, err)
			}
			close(l.stop)
			group.Wait()
			db, err := l.store.Database("db")
			require.NoError(t, err)
			live := map[uint32]bool{db.ID(): true}
			require.Eventually(t, func() bool { return l.left(live) == 0 }, waitFor, tick, "keys of deleted databases")
			report := l.checked()
			require.Empty(t, report.Findings)
		})
	}
}
