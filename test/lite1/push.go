package lite1

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
)

// push is a replication that pushes.
type push struct {
	*remote
	at *checkpoint
}

// local is a revision that is to be pushed.
type local struct {
	id string
	*revision
}

// run pushes what is there, and goes on until ctx ends if it is continuous.
func (p *push) run(ctx context.Context) error {
	if p.config.CreateTarget {
		if err := p.json(ctx, http.MethodPut, "", nil, nil); statusOf(err) != http.StatusPreconditionFailed && err != nil {
			return err
		}
	}
	for {
		p.device.mu.Lock()
		changed := p.device.changed
		p.device.mu.Unlock()
		since, _ := strconv.Atoi(p.at.last)
		all := p.device.since(since)
		for batch := range slices.Chunk(all, inbox) {
			if err := p.send100(ctx, batch); err != nil {
				return err
			}
			if err := p.at.save(ctx, strconv.Itoa(batch[len(batch)-1].seq)); err != nil {
				return err
			}
		}
		if !p.config.continuous {
			return nil
		}
		if len(all) == 0 {
			p.config.idle(p.device)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// since are the leaves that came after a sequence, in their order, those that were pulled too.
func (d *Device) since(seq int) []local {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []local
	for _, doc := range d.docs {
		for _, leaf := range doc.leaves() {
			if leaf.seq > seq && leaf.known && !leaf.removed {
				all = append(all, local{doc.id, leaf})
			}
		}
	}
	slices.SortFunc(all, func(a, b local) int { return a.seq - b.seq })
	return all
}

// send100 pushes what the server lacks of up to a hundred revisions.
func (p *push) send100(ctx context.Context, batch []local) error {
	ask := map[string][]string{}
	for _, one := range batch {
		ask[one.id] = append(ask[one.id], one.revision.id)
	}
	var diffs map[string]struct {
		Missing   []string
		Ancestors []string `json:"possible_ancestors"`
	}
	if err := p.json(ctx, http.MethodPost, "_revs_diff", ask, &diffs); err != nil {
		return err
	}
	var docs []map[string]any
	for _, one := range batch {
		diff, ok := diffs[one.id]
		if !ok || !slices.Contains(diff.Missing, one.revision.id) {
			continue
		}
		doc, follow := p.document(one, diff.Ancestors)
		if follow {
			if err := p.multipart(ctx, one, doc); err != nil && statusOf(err) != http.StatusForbidden {
				return err
			}
			continue
		}
		docs = append(docs, doc)
	}
	return p.bulkDocs(ctx, docs)
}

// bulkDocs pushes documents at once.
func (p *push) bulkDocs(ctx context.Context, docs []map[string]any) error {
	if len(docs) == 0 {
		return nil
	}
	var rows []struct {
		ID     string
		Error  string
		Reason string
		Status int
	}
	body := map[string]any{"docs": docs, "new_edits": false}
	if err := p.json(ctx, http.MethodPost, "_bulk_docs", body, &rows); err != nil {
		return err
	}
	for _, row := range rows {
		// What was refused is done with; anything else keeps the checkpoint back.
		if status := statusOfRow(row.Error, row.Status); status >= 300 && status != http.StatusForbidden {
			return fmt.Errorf("pushing %s: %w", row.ID, &StatusError{Status: status, Reason: row.Reason})
		}
	}
	return nil
}

// document is a revision as it is pushed; follow: content comes in parts after it.
func (p *push) document(one local, ancestors []string) (doc map[string]any, follow bool) {
	p.device.mu.Lock()
	defer p.device.mu.Unlock()
	history := p.device.docs[one.id].history(one.revision.id)
	common := 0
	for i, rev := range history {
		if i > 0 && slices.Contains(ancestors, rev) {
			history, common = history[:i+1], generation(rev)
			break
		}
	}
	digests := make([]string, len(history))
	for i, rev := range history {
		_, digests[i], _ = strings.Cut(rev, "-")
	}
	doc = map[string]any{
		"_id": one.id, "_rev": one.revision.id,
		"_revisions": map[string]any{"start": generation(one.revision.id), "ids": digests},
	}
	for name, value := range one.body {
		doc[name] = value
	}
	if one.deleted {
		doc["_deleted"] = true
	}
	entries := map[string]*attachmentEntry{}
	for name, f := range one.files {
		e := &attachmentEntry{RevPos: f.revpos}
		entries[name] = e
		if f.revpos < common+1 {
			e.Stub = true
			continue
		}
		e.ContentType, e.Digest, e.Length = f.contentType, f.digest, f.length
		if f.packed {
			e.Encoding, e.EncodedLength = "gzip", len(f.content)
		}
		if len(f.content) >= bigAttachment {
			e.Follows, follow = true, true
		} else {
			e.Data = &f.content
		}
	}
	if len(entries) > 0 {
		doc["_attachments"] = entries
	}
	return doc, follow
}

// multipart pushes a revision whose content follows it.
func (p *push) multipart(ctx context.Context, one local, doc map[string]any) error {
	parts, err := p.parts(one, doc)
	if err != nil {
		return err
	}
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for _, part := range parts {
		to, err := w.CreatePart(part.header)
		if err == nil {
			_, err = to.Write(part.content)
		}
		if err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	q, err := p.raw(ctx, http.MethodPut, escape(one.id)+"?new_edits=false", &body)
	if err != nil {
		return err
	}
	q.Header.Set("Accept", "*/*")
	q.Header.Set("Content-Type", "multipart/related; boundary="+w.Boundary())
	if p.device.edition != IOS && p.gateway("0") {
		q.ContentLength = -1 // chunked
	}
	_, _, err = p.send(q)
	return err
}

// sentPart is a part of a body.
type sentPart struct {
	header  textproto.MIMEHeader
	content []byte
}

// parts are the document and the content that follows it, in the order of the JSON.
func (p *push) parts(one local, doc map[string]any) ([]sentPart, error) {
	text, err := json.Marshal(doc)
	if err != nil {
		return nil, err
	}
	header := textproto.MIMEHeader{"Content-Type": {"application/json; charset=utf-8"}}
	if p.device.edition == IOS && p.gateway("0.92") && len(text) >= packFrom {
		header.Set("Content-Encoding", "gzip")
		text = packed(text)
	}
	parts := []sentPart{{header, text}}
	entries, _ := doc["_attachments"].(map[string]*attachmentEntry)
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		if !entries[name].Follows {
			continue
		}
		quoted := name // Java's and .NET's are not
		if p.device.edition == IOS {
			quoted = strconv.Quote(name)
		}
		header := textproto.MIMEHeader{
			"Content-Disposition": {"attachment; filename=" + quoted}, "Content-Type": {entries[name].ContentType},
		}
		if entries[name].Encoding != "" {
			header.Set("Content-Encoding", entries[name].Encoding)
		}
		parts = append(parts, sentPart{header, one.files[name].content})
	}
	return parts, nil
}
