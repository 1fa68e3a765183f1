package syncstore

import (
	"fmt"
	"slices"
	"time"
)

const (
	headFormat = 2 // 1 had no Created
	bodyFormat = 1
	// headSeqAt is where a head keeps its sequence. The committer fills it in: the
	// sequence is not known before.
	headSeqAt = 1
)

// head is what a document's record says: everything but the ancestry (tree) and the
// bodies of revisions other than the winner.
type head struct {
	// Seq is the sequence of the last change.
	Seq     uint64
	Vector  Vector
	Creator string
	// Created is the sequence at which the document was made. Stored as 0 where it is the
	// head's; 1 of a document that was made before this was kept.
	Created uint64
	// Leaves are the tips of the tree, the winner first, the others in falling order.
	Leaves []leaf
	// Spans is when the document was in which channel, oldest first.
	Spans []span
	// Body is the winner's.
	Body []byte
	// size is how many bytes the head takes where it is stored.
	size int
}

// leaf is a tip of the revision tree with what was decided when it was written.
type leaf struct {
	Rev     Rev
	Deleted bool
	// Seq is the sequence at which it was written. Stored as 0 where it is the head's.
	Seq         uint64
	Author      string
	Expires     time.Time
	Channels    []string
	Grants      []heldGrant
	Attachments []Attachment
	// Extra is Document.Extra.
	Extra []byte
	// Version is that of a revision which was the winner, where its body is kept beside the
	// head. Of the winner, Vector says it.
	Version Version
}

// heldGrant is a grant and the sequence since which the document makes it as its
// winner's. Stored as 0 where it is the head's.
type heldGrant struct {
	Grant
	From uint64
}

// span says that a document was in a channel from one sequence up to another; To is
// 0 while it is. From is stored as 0 where it is the head's sequence.
type span struct {
	Channel  string
	From, To uint64
	// Ended marks a span that ends at the head's own sequence, before it is known.
	Ended bool
}

func (h *head) winner() *leaf { return &h.Leaves[0] }

func (h *head) leaf(rev Rev) *leaf {
	for i := range h.Leaves {
		if h.Leaves[i].Rev == rev {
			return &h.Leaves[i]
		}
	}
	return nil
}

// bare is a copy that says who sees the document, and holds nothing of what was stored: a head that
// was decoded holds all of its record.
func (h *head) bare() *head {
	bare := *h
	bare.Body = nil
	bare.Leaves = slices.Clone(h.Leaves)
	for i := range bare.Leaves {
		bare.Leaves[i].Extra, bare.Leaves[i].Attachments = nil, nil
	}
	return &bare
}

// isAllOf reports whether the head has all that is to be known of revisions (nil: of all leaves):
// there is no ancestry beside it, and each is the winner.
func (h *head) isAllOf(revs []Rev) bool {
	return !h.hasTree() && !slices.ContainsFunc(revs, func(r Rev) bool { return r != h.winner().Rev })
}

// sortLeaves puts the winner first: live before deleted, then higher generation,
// then higher digest text.
func sortLeaves(leaves []leaf) {
	slices.SortFunc(leaves, func(a, b leaf) int {
		switch {
		case a.Deleted && !b.Deleted:
			return 1
		case b.Deleted && !a.Deleted:
			return -1
		default:
			return b.Rev.Compare(a.Rev)
		}
	})
}

// encode writes the head with room for the sequence at headSeqAt.
func (h *head) encode() []byte {
	e := encoder{b: make([]byte, 0, 256+len(h.Body))}
	e.byte(headFormat)
	e.fixed64(0)
	e.vector(h.Vector)
	e.text(h.Creator)
	e.fixed64(h.Created)
	e.uvarint(uint64(len(h.Leaves)))
	for i := range h.Leaves {
		e.leaf(&h.Leaves[i])
	}
	e.uvarint(uint64(len(h.Spans)))
	for _, s := range h.Spans {
		e.text(s.Channel)
		e.fixed64(s.From)
		e.fixed64(s.To)
		var ended byte
		if s.Ended {
			ended = 1
		}
		e.byte(ended)
	}
	e.bytes(h.Body)
	h.size = len(e.b)
	return e.b
}

// decodeHead reads a head. Its body shares memory with record.
func decodeHead(record []byte) (*head, error) {
	d := decoder{b: record}
	format := d.byte()
	if format != 1 && format != headFormat && d.err == nil {
		return nil, fmt.Errorf("%w: head format %d", ErrDamagedDocument, format)
	}
	h := &head{Seq: d.fixed64(), size: len(record)}
	h.Vector = d.vector()
	h.Creator = d.text()
	if h.Created = 1; format > 1 {
		h.Created = d.fixed64()
	}
	h.Leaves = make([]leaf, d.count(4))
	for i := range h.Leaves {
		h.Leaves[i] = d.leaf()
	}
	if n := d.count(18); n > 0 {
		h.Spans = make([]span, n)
		for i := range h.Spans {
			h.Spans[i] = span{Channel: d.text(), From: d.fixed64(), To: d.fixed64(), Ended: d.byte() == 1}
		}
	}
	h.Body = d.bytes()
	if err := d.end(); err != nil {
		return nil, fmt.Errorf("%w: reading a head: %w", ErrDamagedDocument, err)
	}
	if len(h.Leaves) == 0 {
		return nil, fmt.Errorf("%w: head without a leaf", ErrDamagedDocument)
	}
	h.settle(h.Seq)
	return h, nil
}

// settle fills in the head's own sequence where it was not known.
func (h *head) settle(seq uint64) {
	h.Seq = seq
	if h.Created == 0 {
		h.Created = seq
	}
	for i := range h.Leaves {
		if h.Leaves[i].Seq == 0 {
			h.Leaves[i].Seq = seq
		}
		for g := range h.Leaves[i].Grants {
			if h.Leaves[i].Grants[g].From == 0 {
				h.Leaves[i].Grants[g].From = seq
			}
		}
	}
	for i := range h.Spans {
		s := &h.Spans[i]
		if s.From == 0 {
			s.From = seq
		}
		if s.Ended {
			s.To, s.Ended = seq, false
		}
	}
}

func (e *encoder) vector(v Vector) {
	e.version(v.Current)
	for _, list := range [][]Version{v.Merged, v.Previous} {
		e.uvarint(uint64(len(list)))
		for _, version := range list {
			e.version(version)
		}
	}
}

func (d *decoder) vector() Vector {
	v := Vector{Current: d.version()}
	for _, list := range []*[]Version{&v.Merged, &v.Previous} {
		if n := d.count(24); n > 0 {
			*list = make([]Version, n)
			for i := range *list {
				(*list)[i] = d.version()
			}
		}
	}
	return v
}

const (
	leafDeleted = 1 << iota
	leafExtra   // Extra follows the rest
	leafVersion // then Version
)

func (e *encoder) leaf(l *leaf) {
	e.rev(l.Rev)
	var flags byte
	if l.Deleted {
		flags |= leafDeleted
	}
	if len(l.Extra) > 0 {
		flags |= leafExtra
	}
	if !l.Version.IsZero() {
		flags |= leafVersion
	}
	e.byte(flags)
	e.fixed64(l.Seq)
	e.text(l.Author)
	var expires uint64
	if !l.Expires.IsZero() {
		expires = uint64(max(l.Expires.Unix(), 1))
	}
	e.uvarint(expires)
	e.uvarint(uint64(len(l.Channels)))
	for _, channel := range l.Channels {
		e.text(channel)
	}
	e.uvarint(uint64(len(l.Grants)))
	for _, grant := range l.Grants {
		e.text(grant.Principal)
		e.text(grant.Channel)
		e.fixed64(grant.From)
	}
	e.uvarint(uint64(len(l.Attachments)))
	for i := range l.Attachments {
		e.attachment(&l.Attachments[i])
	}
	if flags&leafExtra != 0 {
		e.bytes(l.Extra)
	}
	if flags&leafVersion != 0 {
		e.version(l.Version)
	}
}

func (d *decoder) leaf() leaf {
	l := leaf{Rev: d.rev()}
	flags := d.byte()
	l.Deleted = flags&leafDeleted != 0
	l.Seq = d.fixed64()
	l.Author = d.text()
	if expires := d.uvarint(); expires != 0 {
		l.Expires = time.Unix(int64(expires), 0).UTC()
	}
	if n := d.count(1); n > 0 {
		l.Channels = make([]string, n)
		for i := range l.Channels {
			l.Channels[i] = d.text()
		}
	}
	if n := d.count(10); n > 0 {
		l.Grants = make([]heldGrant, n)
		for i := range l.Grants {
			l.Grants[i] = heldGrant{Grant{Principal: d.text(), Channel: d.text()}, d.fixed64()}
		}
	}
	if n := d.count(70); n > 0 {
		l.Attachments = make([]Attachment, n)
		for i := range l.Attachments {
			l.Attachments[i] = d.attachment()
		}
	}
	if flags&leafExtra != 0 {
		l.Extra = d.bytes()
	}
	if flags&leafVersion != 0 {
		l.Version = d.version()
	}
	return l
}

func (e *encoder) attachment(a *Attachment) {
	e.text(a.Name)
	e.text(a.ContentType)
	e.text(a.Digest)
	e.content(a.Content)
	e.uvarint(a.RevPos)
}

func (d *decoder) attachment() Attachment {
	return Attachment{
		Name: d.text(), ContentType: d.text(), Digest: d.text(), Content: d.content(), RevPos: d.uvarint(),
	}
}

func (e *encoder) content(c Content) {
	e.raw(c.SHA256[:])
	e.raw(c.MD5[:])
	e.raw(c.SHA1[:])
	e.uvarint(uint64(c.Length))
}

func (d *decoder) content() Content {
	var c Content
	copy(c.SHA256[:], d.raw(len(c.SHA256)))
	copy(c.MD5[:], d.raw(len(c.MD5)))
	copy(c.SHA1[:], d.raw(len(c.SHA1)))
	c.Length = int64(d.uvarint())
	return c
}

// storedBody is a revision's body outside the head: that of a losing leaf, or that of
// a superseded revision while it is kept.
type storedBody struct {
	leaf leaf
	body []byte
}

func (s *storedBody) encode() []byte {
	e := encoder{b: make([]byte, 0, 64+len(s.body))}
	e.byte(bodyFormat)
	e.leaf(&s.leaf)
	e.bytes(s.body)
	return e.b
}

func decodeStoredBody(record []byte) (*storedBody, error) {
	d := decoder{b: record}
	if format := d.byte(); format != bodyFormat && d.err == nil {
		return nil, fmt.Errorf("%w: body format %d", ErrDamagedDocument, format)
	}
	s := &storedBody{leaf: d.leaf(), body: d.bytes()}
	if err := d.end(); err != nil {
		return nil, fmt.Errorf("%w: reading a body: %w", ErrDamagedDocument, err)
	}
	return s, nil
}
