package syncstore

import (
	"context"
	"io"
	"time"

	"github.com/caddysync/caddy-sync/syncstore/engine"
	"go.uber.org/zap"
)

// Options configure a Store.
type Options struct {
	Logger *zap.Logger // default: no log
	// Cache is the budget in bytes of decoded documents kept in memory. Default 16 MiB.
	Cache int64
	// Revisions is how many generations of ancestry a document keeps. Default 1000.
	Revisions int
	// OldBodies is how long bodies of superseded revisions are kept. Default 5 minutes... see file
	OldBodies time.Duration
	// MaxDocument is the largest body in bytes. Default 20 MiB.
	MaxDocument int64
	// Now is the wall clock. Default time.Now.
	Now func() time.Time
}

// Store holds databases in one engine, and is the only writer to it.
type Store struct{}

// Open opens the store in eng, formatting an empty one. Close does not close eng.
func Open(ctx context.Context, eng engine.Engine, o Options) (*Store, error) { panic("todo") }

func (s *Store) Close() error { panic("todo") }

// CreateDatabase makes an empty database: ErrDatabaseExists, ErrBadDatabaseName.
func (s *Store) CreateDatabase(ctx context.Context, name string) (*Database, error) { panic("todo") }

// Database returns a live database, or ErrNoDatabase. No I/O.
func (s *Store) Database(name string) (*Database, error) { panic("todo") }

// Databases returns the names of the live databases, sorted.
func (s *Store) Databases() []string { panic("todo") }

// DeleteDatabase: the name is free at once; clearing goes on in the background.
func (s *Store) DeleteDatabase(ctx context.Context, name string) error { panic("todo") }

// Records returns the key-value records that belong to packages above the store.
func (s *Store) Records() *Records { panic("todo") }

// Database is one database.
type Database struct{}

func (d *Database) Name() string { panic("todo") }

// ID is never reused; UUID likewise, across stores.
func (d *Database) ID() uint32   { panic("todo") }
func (d *Database) UUID() string { panic("todo") }

// Done is closed when the database is deleted or the store closes; feeds end then.
func (d *Database) Done() <-chan struct{} { panic("todo") }

// Info reads counters. No I/O.
func (d *Database) Info() Info { panic("todo") }

// Default returns the collection _default._default.
func (d *Database) Default() *Collection { panic("todo") }

// Info describes a database.
type Info struct {
	Name        string
	UUID        string
	Docs        uint64 // live documents
	DeletedDocs uint64 // tombstones
	Seq         uint64 // of the last change
	Created     time.Time
}

// Collection holds documents.
type Collection struct{}

// Get returns a revision. ErrBadID, ErrNotFound; ErrDeleted if no revision was asked
// for and the winner is a tombstone.
func (c *Collection) Get(ctx context.Context, id string, o GetOptions) (*Document, error) {
	panic("todo")
}

// GetRevs returns the revisions named, or all leaves (winner first) if revs is nil.
// latest: instead of each, the leaves that descend from it. ErrNotFound if the
// document has no revision at all.
func (c *Collection) GetRevs(ctx context.Context, id string, revs []Rev, latest, history bool) ([]RevResult, error) {
	panic("todo")
}

// Write makes the edits, each by itself and in order (a later edit of an ID sees an
// earlier one), and returns a result for each when all are on stable storage.
func (c *Collection) Write(ctx context.Context, edits []Edit, o WriteOptions) []WriteResult {
	panic("todo")
}

// RevsDiff returns, for revisions a peer offers, those that are not here.
func (c *Collection) RevsDiff(ctx context.Context, offered []RevsOffer) ([]RevsMissing, error) {
	panic("todo")
}

type RevsOffer struct {
	ID   string
	Revs []Rev
}

// RevsMissing answers one RevsOffer, in its place.
type RevsMissing struct {
	ID                string
	Missing           []Rev
	PossibleAncestors []Rev
}

// AllDocsOptions bound a listing by document ID, in bytewise order.
type AllDocsOptions struct {
	Start, End  string // inclusive; with Descending, Start is the higher one. "" = open
	ExcludeEnd  bool
	Descending  bool
	Skip, Limit int // Limit <= 0: all
	Conflicts   bool
}

// AllDocs calls fn with each live document (winner, body included).
func (c *Collection) AllDocs(ctx context.Context, o AllDocsOptions, fn func(*Document) error) error {
	panic("todo")
}

// ChangesOptions bound one read of the feed.
type ChangesOptions struct {
	Since      uint64 // rows after it; with Descending: rows after it too, newest first
	Limit      int    // <= 0: all
	Descending bool
}

// Change is a row of the feed: one a document, at the sequence of its last change.
// Its memory is valid only until the callback that got it returns.
type Change struct {
	Seq     uint64
	ID      []byte
	Deleted bool // the winner is a tombstone
	Version Version
	// Leaves are all leaves, the winner first, as text "generation-digest".
	Leaves []ChangeLeaf
}
type ChangeLeaf struct {
	Rev     []byte
	Deleted bool
}

// Changes calls fn with rows in order from one snapshot. It returns the sequence that
// a next read continues from: that of the last row if Limit cut the read, else the
// database's sequence in the snapshot. A Since above that sequence is read as 0.
func (c *Collection) Changes(ctx context.Context, o ChangesOptions, fn func(*Change) error) (last uint64, err error) {
	panic("todo")
}

// Follow opens a live feed after since (above the current sequence: after 0).
func (c *Collection) Follow(since uint64) *Feed { panic("todo") }

// Feed follows changes. For one goroutine; Close it.
type Feed struct{}

// Read calls fn with up to limit rows (<= 0: all) that are there now, without
// waiting, and returns how many. What fn has seen is not given again.
func (f *Feed) Read(ctx context.Context, limit int, fn func(*Change) error) (int, error) {
	panic("todo")
}

// Seq is the sequence the feed has reached (as last of Changes).
func (f *Feed) Seq() uint64 { panic("todo") }

// Ready receives a value when Read may have rows.
func (f *Feed) Ready() <-chan struct{} { panic("todo") }
func (f *Feed) Close()                 { panic("todo") }

// LocalDocument is a document that is not replicated.
type LocalDocument struct {
	ID   string // without "_local/"
	Rev  string // "0-N"
	Body []byte // JSON object without "_" members
}

// Local documents belong to an owner (a user's name; "" = administrator).
func (c *Collection) GetLocal(ctx context.Context, owner, id string) (*LocalDocument, error) {
	panic("todo")
}

// PutLocal: rev must be the current one ("" for a new one), else ErrConflict.
func (c *Collection) PutLocal(ctx context.Context, owner, id, rev string, body []byte) (newRev string, err error) {
	panic("todo")
}

// DeleteLocal: ErrNotFound, ErrConflict.
func (c *Collection) DeleteLocal(ctx context.Context, owner, id, rev string) error { panic("todo") }

// NewUpload begins to store attachment content. Write to it, then Commit or Abort.
// Content that no document names is collected after an hour.
func (d *Database) NewUpload(ctx context.Context) *Upload { panic("todo") }

type Upload struct{}

func (u *Upload) Write(p []byte) (int, error)                 { panic("todo") }
func (u *Upload) Commit(ctx context.Context) (Content, error) { panic("todo") }
func (u *Upload) Abort()                                      { panic("todo") }

// OpenContent opens stored content by its SHA-256: ErrNotFound.
func (d *Database) OpenContent(ctx context.Context, content Content) (ContentReader, error) {
	panic("todo")
}

// ContentReader reads stored content (chunk by chunk, in constant memory).
type ContentReader interface {
	io.ReadSeekCloser
	io.WriterTo
}

// Records are small key-value records of the packages above (users, sessions,
// provider metadata), in the store's transactions. db 0 is the store as a whole;
// a database's records go with it when it is deleted.
type Records struct{}

// View reads from a snapshot.
func (r *Records) View(ctx context.Context, fn func(RecordReader) error) error { panic("todo") }

// Update runs fn inside the committer: it sees all earlier updates, and what it puts
// is durable when Update returns nil. Keep fn short: no I/O, no waiting.
func (r *Records) Update(ctx context.Context, fn func(RecordTx) error) error { panic("todo") }

type RecordReader interface {
	// Get returns the value, or engine.ErrNotFound's syncstore form ErrNotFound.
	Get(db uint32, key []byte) ([]byte, error)
	// Scan calls fn with the pairs whose keys begin with prefix, in order.
	Scan(db uint32, prefix []byte, fn func(key, value []byte) error) error
}

type RecordTx interface {
	RecordReader
	// Put stores a record; expires, if not zero, is when it is removed by itself.
	Put(db uint32, key, value []byte, expires time.Time)
	Delete(db uint32, key []byte)
	// Log appends an event to the store's auth log, which every node follows.
	Log(event []byte)
}
