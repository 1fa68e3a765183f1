package lite

import (
	"encoding/json"
	"io"
	"maps"
	"slices"
	"strconv"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

// pouch is what PouchDB does: it keeps all branches of a document, and replicates all leaves
// with new_edits=false.
type pouch struct {
	site  *site
	docs  map[string]map[string]*leafRev // by ID and revision
	since syncstore.Cursor
}

// leafRev is a revision. Of those that are no leaves only the parent is kept.
type leafRev struct {
	parent      string
	deleted     bool
	body        object
	attachments map[string][]byte
}

func newPouch(s *site) *pouch { return &pouch{site: s, docs: make(map[string]map[string]*leafRev)} }

// leaves are the revisions that no other comes after, the winner first.
func (p *pouch) leaves(id string) (revs []string) {
	doc := p.docs[id]
	inner := make(map[string]bool)
	for _, r := range doc {
		inner[r.parent] = true
	}
	for rev, r := range doc {
		if !inner[rev] && r.body != nil {
			revs = append(revs, rev)
		}
	}
	slices.SortFunc(revs, func(a, b string) int {
		if doc[a].deleted != doc[b].deleted {
			return map[bool]int{false: -1, true: 1}[doc[a].deleted]
		}
		if d := generation(b) - generation(a); d != 0 {
			return d
		}
		return map[bool]int{true: -1, false: 1}[a > b]
	})
	return revs
}

// edit changes a document on top of its winner; body nil deletes it.
func (p *pouch) edit(id string, change func(body object), name string, content []byte) {
	next := &leafRev{body: object{}, attachments: make(map[string][]byte)}
	if leaves := p.leaves(id); len(leaves) > 0 {
		next.parent = leaves[0]
		current := p.docs[id][leaves[0]]
		if !current.deleted {
			next.body, next.attachments = maps.Clone(current.body), maps.Clone(current.attachments)
		}
	}
	if change == nil {
		next.deleted, next.body, next.attachments = true, object{}, map[string][]byte{}
	} else {
		change(next.body)
	}
	if content != nil {
		next.attachments[name] = content
	}
	if p.docs[id] == nil {
		p.docs[id] = make(map[string]*leafRev)
	}
	p.docs[id][newRevID(next.parent, next.deleted, encode(next.body))] = next
}

func (p *pouch) history(id, rev string) (list []syncstore.Rev) {
	for ; rev != ""; rev = p.docs[id][rev].parent {
		parsed, err := syncstore.ParseRev(rev)
		require.NoError(p.site.t, err)
		list = append(list, parsed)
		if p.docs[id][rev] == nil {
			break
		}
	}
	return list
}

// sync pushes what the server does not have, and pulls.
func (p *pouch) sync() {
	p.push()
	p.pull()
}

func (p *pouch) push() {
	var offers []syncstore.RevsOffer
	for _, id := range slices.Sorted(maps.Keys(p.docs)) {
		offer := syncstore.RevsOffer{ID: id}
		for _, rev := range p.leaves(id) {
			offer.Revs = append(offer.Revs, p.history(id, rev)[0])
		}
		offers = append(offers, offer)
	}
	c := p.site.db.Default()
	missing, err := c.RevsDiff(p.site.ctx, nil, offers)
	require.NoError(p.site.t, err)
	var edits []syncstore.Edit
	for _, m := range missing {
		for _, rev := range m.Missing {
			r := p.docs[m.ID][rev.String()]
			edit := syncstore.Edit{ID: m.ID, Body: encode(r.body), Deleted: r.deleted, History: p.history(m.ID, rev.String())}
			for name, content := range r.attachments {
				edit.Attachments = append(edit.Attachments, p.site.attach(name, "text/plain", string(content)))
			}
			edits = append(edits, edit)
		}
	}
	for _, result := range c.Write(p.site.ctx, edits, syncstore.WriteOptions{}) {
		require.NoError(p.site.t, result.Err)
	}
}

func (p *pouch) pull() {
	c := p.site.db.Default()
	wanted := make(map[string][]syncstore.Rev)
	last, err := c.Changes(p.site.ctx, syncstore.ChangesOptions{Since: p.since}, func(change *syncstore.Change) error {
		for _, leaf := range change.Leaves {
			rev, err := syncstore.ParseRev(string(leaf.Rev))
			if err != nil {
				return err
			}
			if known := p.docs[string(change.ID)][rev.String()]; known == nil || known.body == nil {
				wanted[string(change.ID)] = append(wanted[string(change.ID)], rev)
			}
		}
		return nil
	})
	require.NoError(p.site.t, err)
	p.since = last
	for id, revs := range wanted {
		for _, rev := range revs {
			doc, err := c.Get(p.site.ctx, id, syncstore.GetOptions{Rev: rev, History: true})
			require.NoError(p.site.t, err)
			p.take(doc)
		}
	}
}

func (p *pouch) take(doc *syncstore.Document) {
	t := p.site.t
	if p.docs[doc.ID] == nil {
		p.docs[doc.ID] = make(map[string]*leafRev)
	}
	known := p.docs[doc.ID]
	for i, rev := range doc.History {
		parent := ""
		if i+1 < len(doc.History) {
			parent = doc.History[i+1].String()
		}
		if known[rev.String()] == nil {
			known[rev.String()] = &leafRev{parent: parent}
		}
	}
	r := known[doc.Rev.String()]
	require.NotNil(t, r, "%s is not in its history", doc.Rev)
	body, err := decodeObject(doc.Body)
	require.NoError(t, err)
	r.body, r.deleted, r.attachments = body, doc.Deleted, make(map[string][]byte)
	for _, a := range doc.Attachments {
		content, err := p.site.db.OpenContent(p.site.ctx, a.Content)
		require.NoError(t, err)
		r.attachments[a.Name], err = io.ReadAll(content)
		require.NoError(t, err)
		require.NoError(t, content.Close())
	}
}

// requireSame requires that the winners are the server's.
func (p *pouch) requireSame() {
	t := p.site.t
	t.Helper()
	want := p.site.documents(p.site.db.Default())
	got := make(map[string]Document)
	for id := range p.docs {
		leaves := p.leaves(id)
		require.NotEmpty(t, leaves, id)
		r := p.docs[id][leaves[0]]
		d := Document{ID: id, Rev: leaves[0], Deleted: r.deleted, Body: string(encode(r.body)), Attachments: map[string]string{}}
		for name, content := range r.attachments {
			d.Attachments[name] = digestOf(content)
		}
		got[id] = d
	}
	require.Empty(t, compareDocuments("PouchDB", want, got))
}

func number(n int) json.Number { return json.Number(strconv.Itoa(n)) }
