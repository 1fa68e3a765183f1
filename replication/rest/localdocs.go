package rest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/jsondoc"
)

// localDocs answers GET and POST /{db}/_local_docs: the _local documents of whoever asks, with
// the options of _all_docs.
func (h *Handler) localDocs(rq *request) error {
	p, err := h.params(rq)
	if err != nil {
		return err
	}
	options, err := parseAllDocsOptions(p)
	if err != nil {
		return err
	}
	options.onlyLocals()
	l := &localListing{listing: h.newListing(rq, collectionDocs{rq.coll, rq.db}, options), owner: localOwner(rq.principal)}
	defer l.close()
	return l.run(rq.r.Context())
}

// onlyLocals narrows a listing to _local documents, and takes the prefix off its bounds.
func (o *allDocsOptions) onlyLocals() {
	const end = "_local0"
	if o.low >= end || o.high != "" && o.high < localPrefix {
		o.empty = true
	}
	o.low = strings.TrimPrefix(max(o.low, localPrefix), localPrefix)
	if o.high == "" || o.high >= end {
		o.high = ""
		o.excludeEnd = o.excludeEnd && o.descending // whose end is the low one
		return
	}
	if o.high = strings.TrimPrefix(o.high, localPrefix); o.high == "" {
		o.empty = true // before the first
	}
}

// localListing is an answer of _local_docs.
type localListing struct {
	*listing

	owner string
}

func (l *localListing) run(ctx context.Context) error {
	if l.out.rq.r.Method == http.MethodHead {
		l.left = 0
	}
	l.out.rq.set("Content-Type", jsonType)
	l.out.keep(append(l.out.held(), `{"rows":[`...))
	var err error
	switch {
	case l.left == 0, l.o.empty:
	case l.o.keys != nil:
		err = l.byKeys(ctx)
	default:
		err = l.byRange(ctx)
	}
	if err != nil {
		return err
	}
	b := append(l.out.held(), "\n],"...)
	l.out.keep(append(l.appendCounts(b, uint64(l.sent)), "}\n"...))
	return l.out.finish()
}

func (l *localListing) byRange(ctx context.Context) error {
	o := syncstore.LocalsOptions{
		Start: l.o.low, End: l.o.high, ExcludeEnd: l.o.excludeEnd, Descending: l.o.descending,
	}
	if o.Descending {
		o.Start, o.End = l.o.high, l.o.low
	}
	skip := l.o.skip
	for {
		docs, err := l.out.rq.coll.Locals(ctx, l.owner, o)
		if err != nil {
			return fmt.Errorf("listing local documents: %w", err)
		}
		for _, doc := range docs {
			if skip > 0 {
				skip--
				continue
			}
			if l.left == 0 {
				return nil
			}
			if l.left > 0 {
				l.left--
			}
			l.local(doc)
			if err := l.sendPiece(); err != nil {
				return err
			}
		}
		if len(docs) == 0 {
			return nil
		}
		o.After = docs[len(docs)-1].ID
	}
}

func (l *localListing) byKeys(ctx context.Context) error {
	for _, key := range l.o.keys {
		if l.left == 0 {
			return nil
		}
		id, err := jsondoc.String(key)
		if err != nil || !strings.HasPrefix(id, localPrefix) {
			err = syncstore.ErrNotFound
		}
		var doc *syncstore.LocalDocument
		if err == nil {
			doc, err = l.out.rq.coll.GetLocal(ctx, l.owner, strings.TrimPrefix(id, localPrefix))
		}
		switch {
		case errors.Is(err, syncstore.ErrNotFound), errors.Is(err, syncstore.ErrBadID):
			l.unreadable = "not_found"
			err = l.noDocument(key)
		case err == nil:
			l.local(doc)
		}
		if err != nil {
			return fmt.Errorf("reading a local document: %w", err)
		}
		if l.left > 0 {
			l.left--
		}
		if err := l.sendPiece(); err != nil {
			return err
		}
	}
	return nil
}

// local puts a row into the answer.
func (l *localListing) local(doc *syncstore.LocalDocument) {
	b := append(l.separated(), `{"id":`...)
	b = jsondoc.AppendString(b, localPrefix+doc.ID)
	b = append(b, `,"key":`...)
	b = jsondoc.AppendString(b, localPrefix+doc.ID)
	b = append(b, `,"value":{"rev":`...)
	b = append(jsondoc.AppendString(b, doc.Rev), '}')
	if l.o.docs.include {
		b = appendLocal(append(b, `,"doc":`...), doc)
	}
	l.out.keep(append(b, '}'))
	l.sent++
}
