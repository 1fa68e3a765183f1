package rest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/caddysync/caddy-sync/access"
	"github.com/caddysync/caddy-sync/query/design"
	"github.com/caddysync/caddy-sync/syncstore"
	"go.uber.org/zap"
)

// maxFunctionRequest is the longest request, in bytes, that a filter function is told of. It is read anew for each document.
const maxFunctionRequest = 64 << 10

// functionFilter is a function of a design document that says which documents a feed shows:
// of those that the reader may see. So it does not matter whether the reader may see the
// design document.
type functionFilter struct {
	id   string // of the design document
	name string // of the filter or view
	view bool   // the map function of a view: what it emits something for passes

	// Set by prepareFunction:
	filter  *design.Filter
	request string // what the function gets as req
}

// parseFunction reads the name of a filter, "design/filter", or of a view.
func parseFunction(option, name string, view bool) (changesFilter, error) {
	doc, function, ok := strings.Cut(name, "/")
	if !ok || doc == "" || function == "" || strings.Contains(function, "/") {
		return changesFilter{}, badRequest("The option " + option + " must be of the form designname/" + option + "name.")
	}
	return changesFilter{function: &functionFilter{id: syncstore.DesignPrefix + doc, name: function, view: view}}, nil
}

// prepareFunction finds the function of a feed's filter, if it has one. A feed keeps the
// function that it began with.
func (h *Handler) prepareFunction(rq *request, p params, f *functionFilter) error {
	if f == nil {
		return nil
	}
	doc, err := h.designDocument(rq, f.id)
	if err != nil {
		return err
	}
	if f.view {
		f.filter, err = h.Design.ViewFilter(doc, f.name)
	} else {
		f.filter, err = h.Design.Filter(doc, f.name)
	}
	if err != nil {
		return h.designFailed(rq, err)
	}
	if !f.view { // a map function is told of no request
		f.request, err = h.functionRequest(rq, p)
	}
	return err
}

// designDocument reads what stands in a design document, whoever asks.
func (h *Handler) designDocument(rq *request, id string) (*design.Document, error) {
	docs, err := rq.coll.Designs(rq.r.Context())
	if err != nil {
		return nil, err
	}
	for _, doc := range docs {
		if doc.ID != id {
			continue
		}
		parsed, err := h.Design.Parse(doc)
		if err != nil {
			return nil, h.designFailed(rq, err)
		}
		return parsed, nil
	}
	return nil, notFound("missing")
}

// designFailed is the answer to an error of a function. What went wrong in it is for
// administrators and the log: it may quote documents.
func (h *Handler) designFailed(rq *request, err error) error {
	failed, ok := errors.AsType[*design.Error](err)
	if !ok {
		return err
	}
	answer := &answerError{status: failed.Status(), name: failed.Name, reason: failed.Reason}
	if failed.Cause != nil {
		h.Logger.Warn("a function of a design document failed",
			zap.String("keyspace", rq.keyspace), zap.String("function", failed.Reason), zap.Error(failed.Cause))
		if rq.principal.Admin {
			answer.reason += ": " + failed.Cause.Error()
		}
	}
	if answer.status >= 500 && failed.Cause == nil && !rq.principal.Admin {
		answer.reason = "The function cannot be run."
	}
	return answer
}

// functionRequest is the request as a filter function gets it, in CouchDB's form
// (https://docs.couchdb.org/en/stable/json-structure.html#request-object). What signs the
// client in is not in it.
func (h *Handler) functionRequest(rq *request, p params) (string, error) {
	user, err := h.userContext(rq)
	if err != nil {
		return "", err
	}
	body := "undefined"
	if len(p.body) > 0 {
		text, err := json.Marshal(p.body)
		if err != nil {
			return "", fmt.Errorf("writing the request for a filter: %w", err)
		}
		body = string(text)
	}
	query, headers := map[string]string{}, map[string]string{}
	for name, values := range p.query {
		query[name] = values[0]
	}
	for name, values := range rq.r.Header {
		switch name {
		case "Authorization", "Proxy-Authorization", "Cookie", "Sec-Websocket-Protocol":
		default:
			headers[name] = strings.Join(values, ", ")
		}
	}
	path := strings.Split(strings.Trim(strings.TrimPrefix(rq.r.URL.Path, h.PathPrefix), "/"), "/")
	text, err := json.Marshal(map[string]any{
		"method": rq.r.Method, "path": path, "requested_path": path, "raw_path": rq.r.URL.EscapedPath(),
		"query": query, "headers": headers, "body": body, "form": map[string]string{}, "cookie": map[string]string{},
		"id": nil, "info": map[string]any{"db_name": rq.keyspace}, "userCtx": user,
		"secObj": json.RawMessage(access.SecurityObject), "peer": "",
	})
	if err != nil {
		return "", fmt.Errorf("writing the request for a filter: %w", err)
	}
	if len(text) > maxFunctionRequest {
		return "", badRequest("The query, headers and body of a request for a filter function are over " + strconv.Itoa(maxFunctionRequest) + " bytes.")
	}
	return string(text), nil
}

// userContext is who asks, as functions are told.
func (h *Handler) userContext(rq *request) (access.UserContext, error) {
	user := access.UserContext{Database: rq.keyspace, Roles: []string{access.AdminRole}}
	if rq.principal.Name != "" {
		user.Name = &rq.principal.Name
	}
	if rq.principal.Admin {
		return user, nil
	}
	roles, _, err := rq.coll.AccessOf(rq.r.Context(), *rq.viewer())
	if err != nil {
		return user, fmt.Errorf("reading who asks: %w", err)
	}
	user.Roles = append([]string{}, roles...)
	return user, nil
}

// passes reports whether the function lets a row pass. With all leaves the function is asked
// about each, and the row has those that pass.
func (f *changeFeed) passes(ctx context.Context, row *docRow) (bool, error) {
	if row.lost {
		return true, nil
	}
	revs := row.leaves
	if revs == nil {
		revs = []string{row.rev}
	}
	passed := make([]bool, len(revs))
	some := false
	for i, rev := range revs {
		doc, err := f.leaf(ctx, row.id, rev)
		if err != nil {
			return false, err
		}
		if doc == nil {
			continue
		}
		passed[i], err = f.o.filter.function.filter.Matches(ctx, doc, f.o.filter.function.request)
		if err != nil {
			return false, f.refuse(f.out.h.designFailed(f.out.rq, err))
		}
		some = some || passed[i]
	}
	if some && row.leaves != nil {
		row.keepLeaves(&f.seqs, passed)
	}
	return some, nil
}

// keepLeaves writes the row anew, with the leaves that passed.
func (r *docRow) keepLeaves(seqs *sequences, passed []bool) {
	c := *r.change
	c.Leaves = nil
	for i, leaf := range r.change.Leaves {
		if passed[i] {
			c.Leaves = append(c.Leaves, leaf)
		}
	}
	r.text = seqs.appendChange(r.text[:0], &c, true)
}

// keepChange keeps what passes needs to ask about each leaf.
func (r *docRow) keepChange(c *syncstore.Change) {
	kept := *c
	kept.ID = append([]byte(nil), c.ID...)
	kept.Leaves = make([]syncstore.ChangeLeaf, len(c.Leaves))
	for i, leaf := range c.Leaves {
		kept.Leaves[i] = syncstore.ChangeLeaf{Rev: append([]byte(nil), leaf.Rev...), Deleted: leaf.Deleted}
		r.leaves = append(r.leaves, string(leaf.Rev))
	}
	r.change = &kept
}
