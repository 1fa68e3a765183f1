package rest

import (
	"fmt"
	"net/http"

	"github.com/caddysync/caddy-sync/query/view"
	"github.com/caddysync/caddy-sync/syncstore/jsondoc"
)

// viewOptions are what a view was asked for.
type viewOptions struct {
	view.Options
	docs      docOptions
	updateSeq bool
}

func parseFailed(reason string) *answerError {
	return &answerError{status: http.StatusBadRequest, name: "query_parse_error", reason: reason}
}

// parseViewOptions reads the options of a view. stable and sorted ask for what is always so.
func parseViewOptions(p params) (viewOptions, error) {
	o := viewOptions{Options: view.Options{Limit: -1}}
	var stable, sorted bool
	err := p.flags(map[string]*bool{
		"descending": &o.Descending, "update_seq": &o.updateSeq, "stable": &stable, "sorted": &sorted,
	})
	if err != nil {
		return o, err
	}
	for _, parse := range []func(params) error{o.parseRows, o.parseReduce, o.parseUpdate, o.parseKeys} {
		if err := parse(p); err != nil {
			return o, err
		}
	}
	o.docs, err = parseDocOptions(p)
	return o, err
}

func (o *viewOptions) parseRows(p params) error {
	inclusive, err := p.flagOr("inclusive_end", true)
	if err != nil {
		return err
	}
	o.ExcludeEnd = !inclusive
	if o.Skip, _, err = p.count("skip"); err != nil {
		return err
	}
	limit, given, err := p.count("limit")
	if given {
		o.Limit = limit
	}
	return err
}

// parseReduce reads reduce, group and group_level.
func (o *viewOptions) parseReduce(p params) error {
	reduce, err := p.flagOr("reduce", true)
	if err != nil {
		return err
	}
	o.MapOnly = !reduce
	o.MustReduce = reduce && p.raw("reduce") != nil
	group, err := p.flag("group")
	if err != nil {
		return err
	}
	level, given, err := p.count("group_level")
	switch {
	case err != nil:
		return err
	case given:
		o.GroupLevel = level
	case group:
		o.GroupLevel = view.GroupExact
	}
	return nil
}

// parseUpdate reads update, and stale, which is its older form.
func (o *viewOptions) parseUpdate(p params) error {
	stale, err := p.text("stale")
	if err != nil {
		return err
	}
	update, err := p.text("update")
	if err != nil {
		return err
	}
	switch stale {
	case "":
	case "ok":
		o.Update = view.UpdateNever
	case "update_after":
		o.Update = view.UpdateAfter
	default:
		return parseFailed("Invalid value for stale.")
	}
	switch update {
	case "":
	case "true":
		o.Update = view.UpdateBefore
	case "false":
		o.Update = view.UpdateNever
	case "lazy":
		o.Update = view.UpdateAfter
	default:
		return parseFailed("Invalid value for update.")
	}
	return nil
}

// parseKeys reads what the keys are bounded by.
func (o *viewOptions) parseKeys(p params) error {
	var err error
	read := func(names ...string) (key []byte) {
		raw := p.rawKey(names...)
		if raw == nil || err != nil {
			return nil
		}
		if err = jsondoc.Check(raw); err != nil {
			err = fmt.Errorf("reading the option %s: %w", names[0], err)
		}
		return raw
	}
	only := read("key")
	o.Start, o.End = read("startkey", "start_key"), read("endkey", "end_key")
	if err != nil {
		return err
	}
	for _, text := range []struct {
		into  *string
		names []string
	}{
		{&o.StartDoc, []string{"startkey_docid", "start_key_doc_id"}}, {&o.EndDoc, []string{"endkey_docid", "end_key_doc_id"}},
	} {
		for _, name := range text.names {
			id, err := p.text(name)
			if err != nil {
				return err
			}
			if id != "" {
				*text.into = id
			}
		}
	}
	bounded := only != nil || o.Start != nil || o.End != nil
	if only != nil {
		o.Start, o.End = only, only
	}
	return o.parseKeyList(p, bounded)
}

func (o *viewOptions) parseKeyList(p params, bounded bool) error {
	raw := p.raw("keys")
	if raw == nil {
		return nil
	}
	if bounded {
		return parseFailed("`keys` is incompatible with `key`, `start_key` and `end_key`")
	}
	if err := jsondoc.Check(raw); err != nil {
		return fmt.Errorf("reading the option keys: %w", err)
	}
	if raw[0] != '[' {
		return parseFailed("`keys` must be an array of keys")
	}
	o.Keys = [][]byte{}
	return jsondoc.Elements(raw, func(key []byte) error {
		if len(o.Keys) == maxNamed {
			return tooManyNamed()
		}
		o.Keys = append(o.Keys, key)
		return nil
	})
}

// parseQueries reads the options of several queries; nil if there are none.
func parseQueries(p params) ([]params, error) {
	return readQueryList(p.raw("queries"), p.query, parseFailed)
}
