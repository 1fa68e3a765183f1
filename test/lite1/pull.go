package lite1

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/coder/websocket"
)

// wantedRev is a revision that a row names and that is not here.
type wantedRev struct {
	id, rev    string
	deleted    bool
	conflicted bool
}

// pull is a replication that pulls.
type pull struct {
	*remote
	at   *checkpoint
	last string // up to it all is here
}

// run pulls once, or until ctx ends.
func (p *pull) run(ctx context.Context) error {
	p.last = p.at.last
	initial := p.last == "" && p.device.empty()
	if p.socketed() {
		return p.follow(ctx, initial)
	}
	// One-shot first, whatever comes after.
	rows, err := p.page(ctx, "normal", p.last, initial)
	if err != nil {
		return err
	}
	if err := p.take(ctx, rows); err != nil || !p.config.continuous {
		return err
	}
	p.config.idle(p.device)
	for {
		rows, err := p.page(ctx, "longpoll", p.last, false)
		if err != nil {
			return err
		}
		if err := p.take(ctx, rows); err != nil {
			return err
		}
	}
}

// socketed reports whether the pull comes by WebSocket. The edition for .NET tries it with
// every server.
func (p *pull) socketed() bool {
	e := p.device.edition
	return p.config.continuous && (e == NET || e == IOS && p.gateway("0.91"))
}

// follow pulls by WebSocket.
func (p *pull) follow(ctx context.Context, activeOnly bool) error {
	for {
		feed, err := p.openSocket(ctx, p.last, activeOnly)
		if err != nil {
			return p.refusedSocket(ctx, err)
		}
		err = p.listen(ctx, feed, activeOnly)
		feed.close(websocket.StatusNormalClosure)
		switch {
		case errors.Is(err, errSwitch):
			activeOnly = false
			continue
		case websocket.CloseStatus(err) >= 0 && ctx.Err() == nil:
			// Whatever the server closes it with, the client comes back, .NET after half a
			// second, iOS after two; here at once. It is not the same feed any more.
			p.config.closed(p.device, websocket.CloseStatus(err))
			continue
		}
		return err
	}
}

// errSwitch ends the first feed of the edition for .NET, which asks for no tombstones.
var errSwitch = errors.New("switching to non-active mode")

func (p *pull) listen(ctx context.Context, feed *socketFeed, activeOnly bool) error {
	for {
		rows, err := feed.next(ctx)
		if err != nil {
			return err
		}
		if err := p.take(ctx, rows); err != nil {
			return err
		}
		if len(rows) > 0 {
			continue
		}
		p.config.idle(p.device)
		if activeOnly && p.device.edition == NET {
			return errSwitch
		}
	}
}

// refusedSocket is what a handshake that fails leads to: the edition for .NET goes on by
// HTTP, and gets the same answer there.
func (p *pull) refusedSocket(ctx context.Context, err error) error {
	if p.device.edition != NET || statusOf(err) == 0 {
		return err
	}
	_, err = p.page(ctx, "normal", p.last, false)
	if err == nil {
		return fmt.Errorf("%w: no WebSocket, but pages", errFeed)
	}
	return err
}

// take works rows off and saves the checkpoint.
func (p *pull) take(ctx context.Context, rows []row) error {
	for batch := range slices.Chunk(rows, inbox) {
		if err := p.fetch(ctx, p.device.missing(batch)); err != nil {
			return err
		}
		p.last = batch[len(batch)-1].sequence()
		if err := p.at.save(ctx, p.last); err != nil {
			return err
		}
	}
	return nil
}

// missing are the revisions of rows that are not here.
func (d *Device) missing(rows []row) []wantedRev {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []wantedRev
	for i := range rows {
		if !validID(rows[i].ID) {
			continue
		}
		for _, c := range rows[i].Changes {
			if doc := d.docs[rows[i].ID]; doc != nil && doc.revs[c.Rev] != nil && doc.revs[c.Rev].known {
				continue
			}
			all = append(all, wantedRev{id: rows[i].ID, rev: c.Rev, deleted: rows[i].Deleted, conflicted: len(rows[i].Changes) > 1})
		}
	}
	return all
}

// fetch reads revisions: many at once where the server can, or else one by one, those that
// are not deleted first.
func (p *pull) fetch(ctx context.Context, all []wantedRev) error {
	bulk, single := []wantedRev{}, []wantedRev{}
	gateway := p.gateway("0.81") || p.socketed()
	for _, w := range all {
		if gateway || generation(w.rev) == 1 && !w.deleted && !w.conflicted {
			bulk = append(bulk, w)
		} else {
			single = append(single, w)
		}
	}
	for batch := range slices.Chunk(bulk, p.device.edition.bulk()) {
		left := batch
		var err error
		switch {
		case len(batch) == 1:
		case gateway:
			left, err = p.bulkGet(ctx, batch)
		default:
			left, err = p.allDocs(ctx, batch)
		}
		if err != nil {
			return err
		}
		single = append(single, left...)
	}
	slices.SortStableFunc(single, func(a, b wantedRev) int {
		return map[bool]int{true: 1}[a.deleted] - map[bool]int{true: 1}[b.deleted]
	})
	for _, w := range single {
		if err := p.get(ctx, w); err != nil {
			return err
		}
	}
	return nil
}

// known says what is here of a revision's document: revisions that its attachments may be
// since, or how long a history may be.
func (d *Device) known(w wantedRev) (since []string, limit int, doc *document) {
	d.mu.Lock()
	defer d.mu.Unlock()
	doc = d.docs[w.id]
	if doc != nil {
		since = doc.ancestors(w.rev)
	}
	if since == nil && generation(w.rev) > maxRevTreeDepth {
		limit = maxRevTreeDepth
	}
	return since, limit, doc
}

// get reads one revision.
func (p *pull) get(ctx context.Context, w wantedRev) error {
	since, limit, doc := p.device.known(w)
	path := escape(w.id) + "?rev=" + escape(w.rev) + "&revs=true&attachments=true"
	if since != nil {
		text, _ := json.Marshal(since) // strings
		path += "&atts_since=" + escape(string(text))
	}
	if limit > 0 {
		path += fmt.Sprintf("&revs_limit=%d", limit)
	}
	q, err := p.raw(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	if p.device.edition == NET {
		q.Header.Set("Accept", "*/*")
	} else {
		q.Header.Set("Accept", "multipart/related, application/json")
		q.Header.Set("X-Accept-Part-Encoding", "gzip")
	}
	answer, body, err := p.send(q)
	if documentError(err) {
		return nil // it is given up
	}
	if err != nil {
		return err
	}
	header := answer.Header.Clone()
	header.Del("Content-Encoding") // it is undone already
	got, err := readDocument(header.Get, body)
	if err != nil {
		return err
	}
	return p.store(got, w, doc)
}

func (p *pull) store(got *received, w wantedRev, doc *document) error {
	one, err := got.parse(doc)
	if err != nil {
		return err
	}
	if one.id != w.id || one.rev != w.rev {
		return fmt.Errorf("%w: asked for %s %s, got %s %s", errRevision, w.id, w.rev, one.id, one.rev)
	}
	p.device.insert(p.config.URL, []*pulled{one})
	return nil
}

// bulkGet reads revisions by _bulk_get, and returns those that did not come.
func (p *pull) bulkGet(ctx context.Context, all []wantedRev) ([]wantedRev, error) {
	docs := make([]map[string]any, len(all))
	for i, w := range all {
		docs[i] = map[string]any{"id": w.id, "rev": w.rev}
		since, limit, _ := p.device.known(w)
		if since != nil {
			docs[i]["atts_since"] = since
		}
		if limit > 0 {
			docs[i]["revs_limit"] = limit
		}
	}
	q, err := p.request(ctx, http.MethodPost, "_bulk_get?revs=true&attachments=true", map[string]any{"docs": docs})
	if err != nil {
		return nil, err
	}
	q.Header.Set("Accept", "multipart/related")
	if p.device.edition == NET {
		q.Header.Set("Accept", "multipart/related, application/json")
	}
	q.Header.Set("X-Accept-Part-Encoding", "gzip")
	answer, body, err := p.send(q)
	if err != nil {
		return nil, err
	}
	parts, err := splitParts(answer.Header.Get("Content-Type"), body)
	if err != nil {
		return nil, err
	}
	left := slices.Clone(all)
	for _, part := range parts {
		got, err := readDocument(func(name string) string { return part.header[name] }, part.body)
		if err != nil {
			return nil, err
		}
		if left, err = p.bulkPart(got, left); err != nil {
			return nil, err
		}
	}
	if len(left) > 0 {
		return nil, fmt.Errorf("%w: %d revisions were not returned from _bulk_get", errMultipart, len(left))
	}
	return nil, nil
}

// bulkPart stores a document of _bulk_get, or gives it up, and returns what is left.
func (p *pull) bulkPart(got *received, left []wantedRev) ([]wantedRev, error) {
	var about struct {
		ID  string `json:"_id"`
		Rev string `json:"_rev"`
		// Of an error.
		ErrorID  string `json:"id"`
		ErrorRev string `json:"rev"`
		Error    string
		Status   int
	}
	if err := json.Unmarshal(got.text, &about); err != nil {
		return nil, fmt.Errorf("%w: %w", errMultipart, err)
	}
	failed := about.ID == ""
	if failed {
		about.ID, about.Rev = about.ErrorID, about.ErrorRev
	}
	at := slices.IndexFunc(left, func(w wantedRev) bool { return w.id == about.ID && w.rev == about.Rev })
	if at < 0 {
		return nil, fmt.Errorf("%w: unexpected revision %s %s", errMultipart, about.ID, about.Rev)
	}
	w := left[at]
	left = slices.Delete(left, at, at+1)
	if failed {
		if !documentError(&StatusError{Status: statusOfRow(about.Error, about.Status)}) {
			return nil, fmt.Errorf("%w: %s of %s", errMultipart, about.Error, about.ID)
		}
		return left, nil
	}
	_, _, doc := p.device.known(w)
	return left, p.store(got, w, doc)
}

// statusOfRow is the status that a row tells of.
func statusOfRow(name string, status int) int {
	switch {
	case name == "":
		return http.StatusOK
	case status >= http.StatusBadRequest:
		return status
	}
	switch strings.ToLower(name) {
	case "unauthorized":
		return http.StatusUnauthorized
	case "forbidden":
		return http.StatusForbidden
	case "conflict":
		return http.StatusConflict
	case "missing", "not_found":
		return http.StatusNotFound
	}
	return http.StatusBadGateway
}

// allDocs reads first revisions as from a CouchDB, and returns those that it did not get.
func (p *pull) allDocs(ctx context.Context, all []wantedRev) ([]wantedRev, error) {
	keys := make([]string, len(all))
	for i, w := range all {
		keys[i] = w.id
	}
	var answer struct {
		Rows []struct{ Doc json.RawMessage }
	}
	if err := p.json(ctx, http.MethodPost, "_all_docs?include_docs=true", map[string]any{"keys": keys}, &answer); err != nil {
		return nil, err
	}
	left := slices.Clone(all)
	for _, row := range answer.Rows {
		got := &received{text: row.Doc}
		var about struct {
			ID          string          `json:"_id"`
			Rev         string          `json:"_rev"`
			Attachments json.RawMessage `json:"_attachments"`
		}
		if json.Unmarshal(row.Doc, &about) != nil || about.ID == "" || about.Attachments != nil {
			continue
		}
		at := slices.IndexFunc(left, func(w wantedRev) bool { return w.id == about.ID && w.rev == about.Rev })
		if at < 0 {
			continue
		}
		if err := p.store(got, left[at], nil); err != nil {
			return nil, err
		}
		left = slices.Delete(left, at, at+1)
	}
	return left, nil
}
