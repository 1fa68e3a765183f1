package syncstore

import (
	"errors"
	"fmt"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

var (
	// ErrNotFound: there is no such document, revision, attachment or local document.
	ErrNotFound = errors.New("missing")
	// ErrDeleted: the document's winning revision is a tombstone.
	ErrDeleted = errors.New("deleted")
	// ErrConflict: the write does not extend a current leaf of the document.
	ErrConflict = errors.New("document update conflict")
	// ErrBadID: the document ID is empty, too long, not UTF-8 or has control characters.
	ErrBadID = errors.New("invalid document ID")
	// ErrBadRevision: text that is not a revision, or a generation out of range.
	ErrBadRevision = errors.New("invalid revision")
	// ErrBadHistory: the ancestry given with a replicated revision contradicts itself.
	ErrBadHistory = errors.New("invalid _revisions")
	// ErrBadCursor: text that is no position in a feed.
	ErrBadCursor = errors.New("invalid sequence")
	// ErrMissingStub: an attachment stub names nothing that the document's known
	// revisions have.
	ErrMissingStub = errors.New("attachment stub names no known attachment")
	// ErrUploadExpired: nothing came for an upload for about an hour.
	ErrUploadExpired = errors.New("upload expired")
	// ErrTooLarge: a document or attachment is over the configured limit.
	ErrTooLarge = errors.New("too large")
	// ErrRejected is wrapped by what an Evaluator returns to refuse a write.
	ErrRejected = errors.New("rejected")
	// ErrDatabaseExists: CreateDatabase with the name of a live database.
	ErrDatabaseExists = errors.New("database exists")
	// ErrNoDatabase: there is no live database of that name, or it was deleted meanwhile.
	ErrNoDatabase = errors.New("no such database")
	// ErrBadDatabaseName: not a CouchDB database name.
	ErrBadDatabaseName = errors.New("invalid database name")
	// ErrBadCollectionName: not a name that a collection and its scope may have.
	ErrBadCollectionName = errors.New("invalid collection name")
	// ErrResyncRunning: the collection has a resync that has not ended.
	ErrResyncRunning = errors.New("a resync is running")
	// ErrInsufficientStorage: the disk is below its free-space limit; reads go on.
	ErrInsufficientStorage = errors.New("insufficient storage")
	// ErrUnavailable: the store refuses writes for now, because a commit is in doubt or the store is
	// closing, or it refuses everything, as it could not be opened again after such a commit. Try again later.
	ErrUnavailable = engine.ErrUnavailable
	// ErrFormat: the store was written in a format that this release does not know.
	ErrFormat = errors.New("unknown store format")
	// ErrNewerFormat is an ErrFormat of a store that a later release wrote.
	ErrNewerFormat = fmt.Errorf("%w: the store was written by a newer release", ErrFormat)
	// ErrDamaged: stored bytes cannot be decoded.
	ErrDamaged = errors.New("damaged record")
	// ErrDamagedDocument is an ErrDamaged that concerns one document alone: its head, its
	// ancestry or a body.
	ErrDamagedDocument = fmt.Errorf("%w of a document", ErrDamaged)
	// ErrBadBackup: a backup was cut short or altered, or is none.
	ErrBadBackup = errors.New("not a whole backup")
	// ErrUnknownBackup: the store knows no backup of that name, so that none can go on from it.
	ErrUnknownBackup = errors.New("the store knows no such backup: make a whole one")
	// ErrBackupInterrupted: the store is closed, or has to be recovered. Try again.
	ErrBackupInterrupted = errors.New("backup interrupted")
	// ErrBackupChain: a backup does not go on from the one before it.
	ErrBackupChain = errors.New("the backups do not go on from one another")
	// ErrNotEmpty: there is something already where a backup is to be restored.
	ErrNotEmpty = errors.New("not empty")
	// ErrBadVersion: text that is no version or version vector.
	ErrBadVersion = errors.New("invalid version vector")
	// ErrClockAhead: a version is more than a minute ahead of this server's clock; it can be
	// written later (DECISIONS 24).
	ErrClockAhead = errors.New("the version is ahead of the server's clock")
	// ErrSparse: a viewer sees so few of the rows of an index that it costs less to look at the
	// documents of the viewer's channels.
	ErrSparse = errors.New("the viewer sees few of the rows")
)
