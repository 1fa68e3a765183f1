package syncstore

import (
	"context"
	"time"
)

// Document is one revision of a document as it is read.
type Document struct {
	ID      string
	Rev     Rev
	Deleted bool
	// Body is the JSON object that came in, byte for byte, without its members whose
	// names begin with "_" (DECISIONS 26). Always an object, "{}" at least. It is
	// shared with a cache: do not write to it.
	Body        []byte
	Attachments []Attachment
	// Expires is when the revision becomes a tombstone if it is the winner then; zero: never.
	Expires time.Time
	// Creator is the name of the user who made the document, "" if none.
	Creator string
	// Seq is the sequence of the document's last change.
	Seq uint64
	// Version is the current version of the document's vector; it describes the winner.
	Version Version
	// Vector is the whole version vector of the document; it describes the winner. Only with
	// GetOptions.History. Shared: do not change.
	Vector Vector
	// Extra is a JSON object of the "_" members that Couchbase Lite wrote and this server
	// gives no meaning to, nil if there are none: they are for Couchbase Lite alone
	// (DECISIONS 26).
	Extra []byte
	// Removed says that the reader could see the document once and cannot any more: a
	// revision that was asked for by its name comes without its body.
	Removed bool
	// History is the ancestry, newest first, this revision included. Only with
	// GetOptions.History.
	History []Rev
	// Aside says that the document has gone another way: the winner, or what wins of the
	// leaves that the reader may see, does not descend from this revision. Only with
	// GetOptions.History.
	Aside bool
	// Conflicts and DeletedConflicts are the other leaves, highest first. Only with
	// GetOptions.Conflicts.
	Conflicts, DeletedConflicts []Rev
}

// Attachment is what a revision says of one attachment.
type Attachment struct {
	Name        string
	ContentType string
	// Digest is the text that the writer named, "md5-…" or "sha1-…" in base64, or
	// the MD5 form if it named none (DECISIONS 22).
	Digest  string
	Content Content
	// RevPos is the generation of the revision that attached it.
	RevPos uint64
}

// Content identifies attachment content by what the server computed over it.
type Content struct {
	SHA256 [32]byte
	MD5    [16]byte
	SHA1   [20]byte
	// Length is in bytes, decoded.
	Length int64
}

// GetOptions says which revision to read and how much of it.
type GetOptions struct {
	// Rev is the revision; zero means the winner.
	Rev Rev
	// Version, if not zero, names the revision instead of Rev: the winner, or one whose body
	// is still kept and that was the winner with this version.
	Version Version
	// Latest reads, instead of Rev, the highest leaf that descends from it.
	Latest bool
	// History fills Document.History.
	History bool
	// Conflicts fills Document.Conflicts and DeletedConflicts.
	Conflicts bool
	// Bare leaves out bodies and attachments, of GetRevs: for who wants to know which revisions there
	// are, of which a document may have thousands.
	Bare bool
	// Most is about how many bytes of revisions GetRevs reads, 0 for all. Those after it are Unread, to
	// be asked for by themselves.
	Most int
	// Viewer is who reads; nil sees everything. What a viewer may not see is not there:
	// ErrNotFound.
	Viewer *Viewer
}

// RevResult is one answer of GetRevs.
type RevResult struct {
	Rev Rev
	// Doc is nil if the revision, or its body, is not there.
	Doc *Document
	// Unread: it was not looked for, since there was no room (GetOptions.Most).
	Unread bool
}

// Edit is one write of a document.
type Edit struct {
	ID string
	// Body is a JSON object without "_" members, as jsondoc makes it. nil means "{}".
	Body    []byte
	Deleted bool
	// Parent is the leaf that a new edit extends; zero for a new document or for one
	// whose winner is a tombstone. Not used if History or Vector is set.
	Parent Rev
	// History, if not empty, makes this a replicated revision (new_edits=false):
	// History[0] is the revision, the rest its ancestors, newest first, with
	// generations that fall by one; with NoConflicts, that fall.
	History []Rev
	// NoConflicts refuses a replicated revision that would begin a branch: it must extend the
	// winner, or a live leaf if it is a tombstone, or be the first that is known of a
	// document that is new or whose winner is a tombstone (reference/blip.md 3.10). Otherwise
	// ErrConflict.
	NoConflicts bool
	// Vector, if its Current is not zero, makes this a write of Couchbase Lite 4: it is taken
	// only if the vector covers the document's (DECISIONS 23), else ErrConflict; the
	// revision is named here. History then holds the revisions that the client names as
	// ancestors by their tree IDs, newest first, and may be empty (reference/blip.md 5.5).
	Vector Vector
	// EncodeVersion gives a replicated revision the version that encodes its tree ID instead
	// of one of the database's: Couchbase Lite 4 wrote it before it had versions.
	EncodeVersion bool
	// Extra is as in Document.
	Extra       []byte
	Attachments []AttachmentEdit
	// Expires, if not zero, is when the document becomes a tombstone.
	Expires time.Time
}

// AttachmentEdit is an attachment in an Edit.
type AttachmentEdit struct {
	Name        string
	ContentType string
	// Digest is the text that the writer named; "" chooses the MD5 form. For a stub:
	// if set, the known attachment must have it in either form.
	Digest string
	// Stub keeps an attachment that a known revision of the document has under this
	// name; else Content names what an Upload returned.
	Stub    bool
	Content Content
	// RevPos is used for replicated revisions; 0 means the generation of the edit
	// (or that of the known attachment, for a stub).
	RevPos uint64
}

// WriteOptions go with a write.
type WriteOptions struct {
	// Viewer is who writes; nil is an administrator, whom policies let do everything.
	Viewer *Viewer
	// policy judges instead of the collection's.
	policy Evaluator
	// expires makes tombstones of documents whose time has come: nobody is asked, and those
	// who could see the document see that it is gone.
	expires bool
}

// author is the name of the user who writes, "" for an administrator or a guest.
func (o *WriteOptions) author() string {
	if o.Viewer == nil {
		return ""
	}
	return o.Viewer.Name
}

// WriteResult answers one Edit.
type WriteResult struct {
	ID string
	// Rev is the revision that was written, or that was here already; of a version that is
	// covered, the winner.
	Rev Rev
	// Seq is the sequence that the write got, 0 if it changed nothing.
	Seq uint64
	// Err is nil, ErrConflict, ErrBadID, ErrBadRevision, ErrBadHistory, ErrBadVersion, ErrClockAhead,
	// ErrMissingStub, ErrTooLarge, an Evaluator's error, ErrInsufficientStorage,
	// ErrUnavailable, or a damage; possibly wrapped.
	Err error
}

// Evaluator judges a write: it is the sync function or a policy. It may be called
// several times for one write and by several goroutines at once.
type Evaluator interface {
	Evaluate(ctx context.Context, write Evaluation) (Outcome, error)
}

// Evaluation is what an Evaluator sees.
type Evaluation struct {
	// Writer is who writes; nil is an administrator.
	Writer Writer
	// New is the revision being written.
	New *Document
	// Old is the leaf that New extends, otherwise the document's winner; nil only if
	// the document has no revision at all (DECISIONS 25).
	Old *Document
	// Expires is when the writer wants the document to become a tombstone; zero: never, not said, or as before.
	Expires time.Time
	// Replicated: a peer made the revision, and named it.
	Replicated bool
}

// Outcome is what an Evaluator grants. Channels and grants belong to the leaf that
// was written; only the winner's grants count.
type Outcome struct {
	Channels []string
	Grants   []Grant
	// Expires, if not zero, overrides Edit.Expires.
	Expires time.Time
}

// Grant gives a principal a channel or a role for as long as the granting revision
// is the document's winner.
type Grant struct {
	// Principal is a user's name, or "role:" and a role's.
	Principal string
	// Channel is a channel's name, or "role:" and a role's.
	Channel string
}
