package syncstore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
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

// head checks a document and what must be there because of it.
func (c *checker) head(k checkedKey, value []byte) {
	id := string(k.rest)
	h, err := decodeHead(value)
	if err != nil {
		c.damage(k, id, err.Error())
		return
	}
	if h.winner().Deleted {
		k.db.Tombstones++
	} else {
		k.db.Docs++
	}
	for _, what := range c.headFindings(k, id, h) {
		c.damage(k, id, what)
	}
}

func (c *checker) headFindings(k checkedKey, id string, h *head) (found []string) {
	add := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	if h.Seq == 0 || h.Seq > k.db.counts.Seq {
		add("its sequence %d is none that the database gave out", h.Seq)
	}
	if len(h.Body) > 0 && !json.Valid(h.Body) {
		add("its body is no JSON")
	}
	found = append(found, c.treeFindings(k, id, h)...)
	for i := range h.Leaves {
		l := &h.Leaves[i]
		if i > 0 {
			if ok, err := c.has(k.scope.body(id, l.Rev)); err != nil || !ok {
				add("the body of the conflicting revision %s is missing", l.Rev)
			}
		}
		for j := range l.Attachments {
			a := &l.Attachments[j]
			if ok, err := c.has(k.scope.whole().content(a.Content.SHA256)); err != nil || !ok {
				add("the content of attachment %q is missing", a.Name)
			}
			if ok, err := c.has(k.scope.reference(a.Content.SHA256, id)); err != nil || !ok {
				add("attachment %q is not protected from being collected", a.Name)
			}
		}
	}
	if !c.rowIs(k.scope.seq(h.Seq), h.Seq, id) {
		add("it is missing in the feed")
	}
	for _, name := range h.winner().Channels {
		if !c.rowIs(k.scope.channel(name, h.Seq), h.Seq, id) {
			add("it is missing in the feed of channel %q", name)
		}
	}
	return found
}

// treeFindings compares the ancestry with the leaves.
func (c *checker) treeFindings(k checkedKey, id string, h *head) (found []string) {
	record, err := c.r.Get(k.scope.tree(id))
	switch {
	case errors.Is(err, engine.ErrNotFound):
		if len(h.Leaves) > 1 {
			return []string{"its ancestry is missing"}
		}
		return nil
	case err != nil:
		return []string{fmt.Sprintf("its ancestry cannot be read: %v", err)}
	}
	t, err := decodeTree(record)
	if err != nil {
		return []string{err.Error()}
	}
	isLeaf := t.leaves()
	leaves := 0
	for _, leaf := range isLeaf {
		if leaf {
			leaves++
		}
	}
	for i := range h.Leaves {
		if at := t.find(h.Leaves[i].Rev); at < 0 || !isLeaf[at] {
			found = append(found, fmt.Sprintf("its ancestry does not end in revision %s", h.Leaves[i].Rev))
		}
	}
	if len(found) == 0 && leaves != len(h.Leaves) {
		found = append(found, "its ancestry has revisions that the document does not know of")
	}
	return found
}

func (c *checker) has(key []byte) (bool, error) {
	_, err := c.r.Get(key)
	if errors.Is(err, engine.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// rowIs reports whether a row of a feed is that of a document.
func (c *checker) rowIs(key []byte, seq uint64, id string) bool {
	record, err := c.r.Get(key)
	if err != nil {
		return false
	}
	var row Change
	return row.decode(seq, record) == nil && string(row.ID) == id
}

// known finds what belongs to a document that is not there.
func (c *checker) known(k checkedKey, id, what string) {
	if ok, err := c.has(k.scope.head(id)); err == nil && !ok {
		c.damage(k, id, "only its "+what+" is there")
	}
}

func (c *checker) body(k checkedKey, value []byte) {
	id, _, ok := cutTerminated(k.rest)
	if !ok {
		c.find(Finding{Database: k.db.Name, Collection: k.collection, What: "a body under a key that is none"})
		return
	}
	if _, err := decodeStoredBody(value); err != nil {
		c.damage(k, id, err.Error())
		return
	}
	c.known(k, id, "body")
}

// row checks a row of the feed against its document.
func (c *checker) row(k checkedKey, value []byte) {
	row, ok := c.decodeRow(k, k.rest, value)
	if !ok {
		return
	}
	h := c.headOf(k, string(row.ID))
	switch {
	case h == nil:
		c.damage(k, string(row.ID), "it is in the feed only")
	case h.Seq != row.Seq:
		c.damage(k, string(row.ID), fmt.Sprintf("it is in the feed at %d, but was changed last at %d", row.Seq, h.Seq))
	case !sameLeaves(row, h):
		c.damage(k, string(row.ID), "the feed tells of other revisions of it")
	}
}

func (c *checker) decodeRow(k checkedKey, seq, value []byte) (*Change, bool) {
	var row Change
	if len(seq) != 8 {
		c.find(Finding{Database: k.db.Name, Collection: k.collection, What: "a row of the feed under a key that is none"})
		return nil, false
	}
	if err := row.decode(binary.BigEndian.Uint64(seq), value); err != nil {
		c.find(Finding{Database: k.db.Name, Collection: k.collection, What: fmt.Sprintf("the feed: %v", err)})
		return nil, false
	}
	return &row, true
}

// headOf returns a document, nil if there is none that can be read.
func (c *checker) headOf(k checkedKey, id string) *head {
	record, err := c.r.Get(k.scope.head(id))
	if err != nil {
		return nil
	}
	h, err := decodeHead(record)
	if err != nil {
		return nil
	}
	return h
}

func sameLeaves(row *Change, h *head) bool {
	if len(row.Leaves) != len(h.Leaves) {
		return false
	}
	for i := range h.Leaves {
		if string(row.Leaves[i].Rev) != h.Leaves[i].Rev.String() || row.Leaves[i].Deleted != h.Leaves[i].Deleted {
			return false
		}
	}
	return true
}

func (c *checker) channelRow(k checkedKey, value []byte) {
	name, rest, ok := cutTerminated(k.rest)
	if !ok {
		c.find(Finding{Database: k.db.Name, Collection: k.collection, What: "a row of a channel under a key that is none"})
		return
	}
	row, ok := c.decodeRow(k, rest, value)
	if !ok {
		return
	}
	id := string(row.ID)
	h := c.headOf(k, id)
	switch {
	case h == nil:
		c.damage(k, id, fmt.Sprintf("it is in the feed of channel %q only", name))
	case row.left:
		if !slices.ContainsFunc(h.Spans, func(s span) bool { return s.Channel == name && s.To == row.Seq }) {
			c.damage(k, id, fmt.Sprintf("the feed of channel %q says that it left, and it does not", name))
		}
	case h.Seq != row.Seq || !slices.Contains(h.winner().Channels, name):
		c.damage(k, id, fmt.Sprintf("it is in the feed of channel %q at %d, where it is not", name, row.Seq))
	}
}

func (c *checker) reference(k checkedKey) {
	if len(k.rest) <= sha256.Size {
		c.find(Finding{Database: k.db.Name, Collection: k.collection, What: "a reference under a key that is none"})
		return
	}
	sum, id := [sha256.Size]byte(k.rest), string(k.rest[sha256.Size:])
	if ok, err := c.has(k.scope.whole().content(sum)); err == nil && !ok {
		c.damage(k, id, "the content of an attachment, "+hex.EncodeToString(sum[:])+", is missing")
	}
}

// content checks an attachment's content against its SHA-256.
func (c *checker) content(k checkedKey, value []byte) {
	stored, err := decodeContent(value)
	if err == nil && !bytes.Equal(stored.content.SHA256[:], k.rest) {
		err = fmt.Errorf("%w: content under the name of another", ErrDamaged)
	}
	if err == nil {
		err = c.hash(k.scope, stored)
	}
	if err == nil {
		k.db.Contents++
		k.db.ContentBytes += uint64(stored.content.Length)
		return
	}
	c.contentDamage(k, err)
}

func (c *checker) hash(s scope, stored *storedContent) error {
	sum := sha256.New()
	left := stored.content.Length
	for n := uint32(0); left > 0; n++ {
		chunk, err := c.r.Get(s.whole().chunk(stored.blob, n))
		if err != nil {
			return fmt.Errorf("part %d: %w", n, err)
		}
		_, _ = sum.Write(chunk) // never fails
		left -= int64(len(chunk))
		if len(chunk) == 0 {
			break
		}
	}
	if left != 0 || !bytes.Equal(sum.Sum(nil), stored.content.SHA256[:]) {
		return errors.New("it is not what was stored")
	}
	return nil
}

// contentDamage finds content that is damaged, for each document that names it.
func (c *checker) contentDamage(k checkedKey, err error) {
	what := fmt.Sprintf("the content of an attachment, %x, is damaged: %v", k.rest, err)
	named := false
	for number, name := range k.db.collections {
		in := checkedKey{kind: kindReference, db: k.db, scope: scope{db: k.scope.db, collection: number}, collection: name}
		prefix := append(in.scope.prefix(kindReference, len(k.rest)), k.rest...)
		pairs, _ := c.r.Scan(engine.Range{Start: prefix, End: engine.PrefixEnd(prefix), KeysOnly: true})
		for key := range pairs {
			named = true
			c.damage(in, string(key[len(prefix):]), what)
		}
	}
	if !named {
		c.find(Finding{Database: k.db.Name, What: what + "; no document names it"})
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
