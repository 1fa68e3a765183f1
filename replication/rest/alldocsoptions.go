package rest

import (
	"fmt"
	"math"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/jsondoc"
)

// allDocsOptions are what _all_docs was asked for.
type allDocsOptions struct {
	// keys are the documents asked for one by one, as JSON; nil for a range.
	keys [][]byte
	// low and high bound the IDs, "" for an open end. empty: no ID can be meant.
	low, high  string
	empty      bool
	excludeEnd bool
	descending bool
	skip       int
	limit      int // -1 for all
	updateSeq  bool
	// designs: only design documents.
	designs bool
	docs    docOptions
}

// parseAllDocsOptions reads the options of _all_docs. Keys are JSON. IDs are in the
// order of their bytes, which is CouchDB's "raw" collation of _all_docs; values that
// are no strings lie before (null, booleans, numbers) or after (arrays, objects) all of
// them. startkey_docid and endkey_docid mean nothing here, since IDs are unique.
func parseAllDocsOptions(p params) (allDocsOptions, error) {
	o := allDocsOptions{limit: -1}
	err := p.flags(map[string]*bool{"descending": &o.descending, "update_seq": &o.updateSeq})
	if err != nil {
		return o, err
	}
	inclusive, err := p.flagOr("inclusive_end", true)
	if err != nil {
		return o, err
	}
	o.excludeEnd = !inclusive
	if o.skip, _, err = p.count("skip"); err != nil {
		return o, err
	}
	if limit, given, err := p.count("limit"); err != nil {
		return o, err
	} else if given {
		o.limit = limit
	}
	if o.docs, err = parseDocOptions(p); err != nil {
		return o, err
	}
	if err := o.parseKeys(p); err != nil {
		return o, err
	}
	return o, o.parseRange(p)
}

func (o *allDocsOptions) parseKeys(p params) error {
	raw := p.raw("keys")
	if raw == nil {
		return nil
	}
	if p.raw("key", "startkey", "start_key", "endkey", "end_key") != nil {
		return badRequest("The option keys does not go with key, startkey or endkey.")
	}
	if err := jsondoc.Check(raw); err != nil {
		return fmt.Errorf("reading keys: %w", err)
	}
	if raw[0] != '[' {
		return badRequest("The option keys must be a JSON array.")
	}
	o.keys = [][]byte{}
	return jsondoc.Elements(raw, func(value []byte) error {
		if len(o.keys) == maxNamed {
			return tooManyNamed()
		}
		o.keys = append(o.keys, value)
		return nil
	})
}

// parseRange reads the bounds. key goes before startkey and endkey.
func (o *allDocsOptions) parseRange(p params) error {
	start, err := parseBound(p.rawKey("startkey", "start_key"))
	if err != nil {
		return err
	}
	end, err := parseBound(p.rawKey("endkey", "end_key"))
	if err != nil {
		return err
	}
	if raw := p.rawKey("key"); raw != nil {
		only, err := parseBound(raw)
		if err != nil {
			return err
		}
		start, end, o.excludeEnd = only, only, false
		o.empty = only.kind != boundID
	}
	o.excludeEnd = o.excludeEnd && end.kind == boundID
	low, high := start, end
	if o.descending {
		low, high = end, start
	}
	if low.kind == boundAbove || high.kind == boundBelow {
		o.empty = true
	}
	if high.kind == boundID && high.id == "" {
		o.empty = true // no ID is empty, and "" would mean an open end
	}
	o.low, o.high = low.id, high.id
	return nil
}

// bound is one end of a range of IDs.
type bound struct {
	kind boundKind
	id   string
}

type boundKind int

const (
	boundNone boundKind = iota
	boundBelow
	boundID
	boundAbove
)

func parseBound(raw []byte) (bound, error) {
	if raw == nil {
		return bound{}, nil
	}
	if err := jsondoc.Check(raw); err != nil {
		return bound{}, fmt.Errorf("reading a key: %w", err)
	}
	switch raw[0] {
	case '"':
		id, err := jsondoc.String(raw)
		if err != nil {
			return bound{}, fmt.Errorf("reading a key: %w", err)
		}
		return bound{boundID, id}, nil
	case '{', '[':
		return bound{kind: boundAbove}, nil
	}
	return bound{kind: boundBelow}, nil
}

// storeOptions are the options of the store for the rows from after on ("" for the
// first). The row of after itself comes again, if it is still there: the store has no
// bound that leaves it out in both directions.
func (o *allDocsOptions) storeOptions(after string, left int) syncstore.AllDocsOptions {
	so := syncstore.AllDocsOptions{
		Start: o.low, End: o.high, ExcludeEnd: o.excludeEnd, Descending: o.descending,
		Skip: o.skip, Limit: max(left, 0), Conflicts: o.docs.include && o.docs.conflicts,
	}
	if o.descending {
		so.Start, so.End = o.high, o.low
	}
	if after != "" {
		so.Start, so.Skip = after, 0
		if left >= 0 && left < math.MaxInt {
			so.Limit = left + 1
		}
	}
	return so
}
