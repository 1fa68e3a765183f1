package syncstore

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

const (
	// maxFindings is how many findings are told one by one.
	maxFindings = 1000
	// checkProgress is after how many keys a check tells how far it is.
	checkProgress = 1000
)

// Finding is something that is not as it must be.
type Finding struct {
	Database   string `json:"database,omitempty"`
	Collection string `json:"collection,omitempty"` // "" for _default._default
	Document   string `json:"document,omitempty"`
	What       string `json:"what"`
}

// String is the finding in one line.
func (f Finding) String() string {
	where := ""
	if f.Database != "" {
		where = "database " + f.Database
		if f.Collection != "" {
			where += "." + f.Collection
		}
		if f.Document != "" {
			where += fmt.Sprintf(", document %q", f.Document)
		}
		where += ": "
	}
	return where + f.What
}

// CheckedDatabase is what was found of a database.
type CheckedDatabase struct {
	Name string `json:"name"`
	// Docs and Tombstones could be read; Damaged are documents of which something is not
	// right, or whose head could not be read.
	Docs       uint64 `json:"docs"`
	Tombstones uint64 `json:"tombstones"`
	Damaged    uint64 `json:"damaged"`
	// Contents are attachments by content, with their bytes.
	Contents     uint64 `json:"contents"`
	ContentBytes uint64 `json:"content_bytes"`
}

// CheckReport is what a check found.
type CheckReport struct {
	Keys      uint64            `json:"keys"`
	Databases []CheckedDatabase `json:"databases"`
	// Findings are the first of them, Found how many there are.
	Findings []Finding `json:"findings"`
	Found    uint64    `json:"found"`
}

// CheckOptions say how a check is made.
type CheckOptions struct {
	// Progress, if set, is called now and then with how many keys were read.
	Progress func(keys uint64)
}

// Check reads everything that an engine has, of which no Store is open, and compares what must
// agree: documents, their ancestry, the feed, channels, attachments and their SHA-256. It changes
// nothing. Indexes of views are read, and not compared with the documents: they can be made anew.
// ErrFormat, ErrNewerFormat: it cannot tell.
func Check(ctx context.Context, eng engine.Engine, o CheckOptions) (CheckReport, error) {
	var report CheckReport
	err := eng.View(ctx, func(r engine.Reader) error {
		empty, err := readFormat(r)
		if err != nil {
			return err
		}
		if empty {
			return fmt.Errorf("%w: there is no store", ErrNotFound)
		}
		c := &checker{r: r, report: &report, databases: make(map[uint32]*checkedDatabase), progress: o.Progress}
		c.readDirectory()
		if err := c.each(ctx, c.pair); err != nil {
			return err
		}
		c.finish()
		return nil
	})
	return report, err
}

// checker checks what a reader reads.
type checker struct {
	r         engine.Reader
	report    *CheckReport
	databases map[uint32]*checkedDatabase
	progress  func(uint64)
}

type checkedDatabase struct {
	CheckedDatabase
	scope       scope
	counts      counters
	collections map[uint32]string // names by number
	damaged     map[string]struct{}
	deleting    bool
}

func (c *checker) find(f Finding) {
	c.report.Found++
	if len(c.report.Findings) < maxFindings {
		c.report.Findings = append(c.report.Findings, f)
	}
}

// readDirectory reads which databases there are, each by itself.
func (c *checker) readDirectory() {
	pairs, failed := c.r.Scan(engine.PrefixRange([]byte{kindDatabase}))
	for key, value := range pairs {
		entry, err := decodeDatabaseEntry(key, value)
		if err != nil {
			c.find(Finding{What: fmt.Sprintf("the directory of databases: %v", err)})
			continue
		}
		db := &checkedDatabase{
			CheckedDatabase: CheckedDatabase{Name: entry.name}, scope: scope{db: entry.id}, deleting: entry.deleting,
			collections: map[uint32]string{0: ""}, damaged: make(map[string]struct{}),
		}
		c.databases[entry.id] = db
		if db.counts, err = readCounters(c.r, db.scope); err != nil && !db.deleting {
			c.find(Finding{Database: entry.name, What: fmt.Sprintf("its counters: %v", err)})
		}
		names, err := readCollections(c.r.Get, db.scope)
		if err != nil {
			c.find(Finding{Database: entry.name, What: fmt.Sprintf("the names of its collections: %v", err)})
		}
		for id, number := range names {
			db.collections[number] = id.String()
		}
	}
	if err := failed(); err != nil {
		c.find(Finding{What: fmt.Sprintf("the directory of databases cannot be read to its end: %v", err)})
	}
}

// each reads all pairs. From where a value cannot be read, it reads one by one.
func (c *checker) each(ctx context.Context, pair func(key, value []byte)) error {
	var last []byte
	pairs, failed := c.r.Scan(engine.Range{})
	for key, value := range pairs {
		c.count()
		pair(key, value)
		last = append(last[:0], key...)
	}
	err := failed()
	if err == nil || ctx.Err() != nil {
		return ctx.Err()
	}
	var from []byte
	if last != nil {
		from = append(last, 0)
	}
	pairs, failed = c.r.Scan(engine.Range{Start: from, KeysOnly: true})
	for key := range pairs {
		c.count()
		value, err := c.r.Get(key)
		if err != nil {
			c.unreadable(key, err)
			continue
		}
		pair(key, value)
	}
	if err := failed(); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		c.find(Finding{What: fmt.Sprintf("the store cannot be read to its end: %v", err)})
	}
	return nil
}

func (c *checker) count() {
	c.report.Keys++
	if c.progress != nil && c.report.Keys%checkProgress == 0 {
		c.progress(c.report.Keys)
	}
}

// unreadable finds a pair whose value the engine does not give.
func (c *checker) unreadable(key []byte, err error) {
	k := c.parse(key)
	switch {
	case k.db == nil:
		c.find(Finding{What: fmt.Sprintf("a value of kind %#x cannot be read: %v", key[0], err)})
	case k.kind == kindChunk: // told of with the content that has it
	case k.kind == kindHead || k.kind == kindTree:
		c.damage(k, string(k.rest), fmt.Sprintf("cannot be read: %v", err))
	default:
		c.find(Finding{Database: k.db.Name, Collection: k.collection, What: fmt.Sprintf("a value of kind %#x cannot be read: %v", k.kind, err)})
	}
}

// checkedKey is a key taken apart.
type checkedKey struct {
	kind       byte
	db         *checkedDatabase // nil: of the store
	scope      scope
	collection string
	rest       []byte
}

func (c *checker) parse(key []byte) checkedKey {
	k := checkedKey{kind: key[0]}
	if len(key) < prefixSize {
		return k
	}
	k.scope = scope{db: binary.BigEndian.Uint32(key[1:]), collection: binary.BigEndian.Uint32(key[5:])}
	k.db, k.rest = c.databases[k.scope.db], key[prefixSize:]
	if k.db != nil {
		k.collection = k.db.collections[k.scope.collection]
	}
	return k
}

// pair checks one pair.
func (c *checker) pair(key, value []byte) {
	switch key[0] {
	case kindFormat, kindStore, kindDatabase:
		return // read by themselves, or of no account
	}
	k := c.parse(key)
	switch {
	case k.db != nil && k.db.deleting:
		return
	case k.db == nil && k.scope.db == 0 && len(key) >= prefixSize:
		c.storePair(k, value)
		return
	case k.db == nil:
		c.find(Finding{What: fmt.Sprintf("a key of kind %#x belongs to no database", key[0])})
		return
	}
	if _, known := k.db.collections[k.scope.collection]; !known {
		c.find(Finding{Database: k.db.Name, What: fmt.Sprintf("a key of kind %#x belongs to no collection", key[0])})
		return
	}
	switch k.kind {
	case kindHead:
		c.head(k, value)
	case kindTree:
		c.known(k, string(k.rest), "ancestry")
	case kindBody:
		c.body(k, value)
	case kindSeq:
		c.row(k, value)
	case kindChannel:
		c.channelRow(k, value)
	case kindContent:
		c.content(k, value)
	case kindReference:
		c.reference(k)
	default:
		c.other(k, key, value)
	}
}

// storePair checks what belongs to no database: records, what is due to them, the auth log.
func (c *checker) storePair(k checkedKey, value []byte) {
	switch k.kind {
	case kindRecord:
		if _, _, err := decodeRecord(value); err != nil {
			c.find(Finding{What: fmt.Sprintf("a record of sign-in: %v", err)})
		}
	case kindDue, kindAuthLog:
	default:
		c.find(Finding{What: fmt.Sprintf("a key of kind %#x belongs to no database", k.kind)})
	}
}

// other checks what stands for itself.
func (c *checker) other(k checkedKey, key, value []byte) {
	var err error
	what := ""
	switch k.kind {
	case kindGrant, kindLostGrant:
		what = "a grant"
		_, _, err = parseGrant(key)
	case kindLocal:
		what = "a local document"
		_, _, err = decodeLocal(value)
	case kindRecord:
		what = "a record of sign-in"
		_, _, err = decodeRecord(value)
	case kindResync:
		what = "the state of a resync"
		if !json.Valid(value) {
			err = ErrDamaged
		}
	case kindPurges:
		what = "the number of purges"
		_, err = readPurges(func([]byte) ([]byte, error) { return value, nil }, key)
	case kindIndex:
		if len(k.rest) > 16 && k.rest[16] == indexDocument {
			what = "an index of a view"
			_, err = decodeIndexed(value)
		}
	case kindCounters, kindNames, kindChunk, kindDue, kindAccess:
	default:
		what, err = fmt.Sprintf("a key of kind %#x", k.kind), errors.New("there is no such kind")
	}
	if err != nil {
		c.find(Finding{Database: k.db.Name, Collection: k.collection, What: fmt.Sprintf("%s: %v", what, err)})
	}
}

// damage finds something about a document.
func (c *checker) damage(k checkedKey, id, what string) {
	c.find(Finding{Database: k.db.Name, Collection: k.collection, Document: id, What: what})
	key := string(k.scope.head(id))
	if _, known := k.db.damaged[key]; !known {
		k.db.damaged[key] = struct{}{}
		k.db.Damaged++
	}
}

// finish compares the counts and puts the databases in order.
func (c *checker) finish() {
	for _, db := range c.databases {
		if db.deleting {
			continue
		}
		if db.Damaged == 0 && (db.Docs != uint64(max(db.counts.Docs, 0)) || db.Tombstones != uint64(max(db.counts.Deleted, 0))) {
			c.find(Finding{Database: db.Name, What: fmt.Sprintf("it counts %d documents and %d tombstones, and has %d and %d",
				db.counts.Docs, db.counts.Deleted, db.Docs, db.Tombstones)})
		}
		c.report.Databases = append(c.report.Databases, db.CheckedDatabase)
	}
	slices.SortFunc(c.report.Databases, func(a, b CheckedDatabase) int { return bytes.Compare([]byte(a.Name), []byte(b.Name)) })
	if c.progress != nil {
		c.progress(c.report.Keys)
	}
}
