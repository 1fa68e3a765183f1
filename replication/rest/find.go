package rest

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/caddysync/caddy-sync/query/mango"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/jsondoc"
)

// find answers POST /{keyspace}/_find. To a user it is as if there were no documents but those that
// they see: nothing else is found, skipped, or counted in what the answer says of its cost.
func (h *Handler) find(rq *request) error {
	r, q, err := h.mangoQuery(rq)
	if err != nil {
		return err
	}
	a := h.newFindAnswer(rq, r)
	defer a.close()
	return a.run(q)
}

// explainFind answers POST /{keyspace}/_explain: how _find would be answered. It reads no documents.
func (h *Handler) explainFind(rq *request) error {
	_, q, err := h.mangoQuery(rq)
	if err != nil {
		return err
	}
	return rq.sendJSON(http.StatusOK, append(q.AppendExplanation(nil, rq.keyspace), '\n'))
}

// mangoQuery reads the body of a query and plans it.
func (h *Handler) mangoQuery(rq *request) (*mango.Request, *mango.Query, error) {
	body, err := h.readBody(rq, maxOptionsBody)
	if err != nil {
		return nil, nil, fmt.Errorf("reading a query: %w", err)
	}
	defer body.free()
	r, err := mango.ParseRequest(body.text)
	if err != nil {
		return nil, nil, mangoFailed(err)
	}
	q, err := h.Views.Mango().Prepare(rq.r.Context(), rq.coll, r, rq.viewer())
	return r, q, mangoFailed(err)
}

// mangoFailed is the answer to what is wrong with a query. Other errors stay.
func mangoFailed(err error) error {
	if wrong, ok := errors.AsType[*mango.Error](err); ok {
		answer := &answerError{status: wrong.Status, name: wrong.Name, reason: wrong.Reason}
		if wrong.Name == mango.TooExpensive {
			answer.limit = LimitFind
		}
		return answer
	}
	return err
}

// findAnswer is an answer of _find.
type findAnswer struct {
	rq      *request
	request *mango.Request
	out     *feedWriter
	docs    *docWriter
	// whole, if only fields are asked for, is where a document is written before these are taken
	// out of it.
	whole *feedWriter
	sent  int
}

func (h *Handler) newFindAnswer(rq *request, r *mango.Request) *findAnswer {
	lease := newFeedLease(rq, func() (heldLease, error) { return h.take(rq) })
	a := &findAnswer{rq: rq, request: r, out: &feedWriter{h: h, rq: rq, lease: lease}}
	a.docs = &docWriter{source: collectionDocs{rq.coll, rq.db}, viewer: rq.viewer(), out: a.out, o: docOptions{conflicts: r.Conflicts}}
	if r.Projection != nil {
		a.whole = &feedWriter{h: h, rq: rq, lease: lease}
		a.docs.out = a.whole
	}
	return a
}

func (a *findAnswer) close() {
	a.out.lease.close()
	a.out.rest()
	if a.whole != nil {
		a.whole.rest()
	}
}

func (a *findAnswer) run(q *mango.Query) error {
	a.rq.set("Content-Type", jsonType)
	a.out.keep(append(a.out.held(), `{"docs":[`...))
	var limits mango.Limits
	if !a.rq.principal.Admin {
		l := a.out.h.policy(a.rq).Limits
		limits = a.out.h.Views.Mango().UserLimits(l.FindDocuments, l.FindTime)
	}
	answer, err := q.Run(a.rq.r.Context(), limits, a.document)
	if err != nil {
		return mangoFailed(err)
	}
	b := append(a.out.held(), "\n],\n\"bookmark\":"...)
	b = jsondoc.AppendString(b, answer.Bookmark)
	if a.request.Stats {
		b = appendStats(b, &answer.Stats)
	}
	if answer.Warning != "" {
		b = jsondoc.AppendString(append(b, ",\n\"warning\":"...), answer.Warning)
	}
	a.out.keep(append(b, "}\n"...))
	return a.out.finish()
}

// appendStats appends what the query cost. Keys and documents that who asks may not see are not among
// those that are counted. The time is what the client can measure too.
func appendStats(b []byte, s *mango.Stats) []byte {
	b = strconv.AppendInt(append(b, ",\n\"execution_stats\":{\"total_keys_examined\":"...), int64(s.Keys), 10)
	b = strconv.AppendInt(append(b, `,"total_docs_examined":`...), int64(s.Documents), 10)
	b = strconv.AppendInt(append(b, `,"total_quorum_docs_examined":0,"results_returned":`...), int64(s.Results), 10)
	milliseconds := float64(s.Time.Microseconds()) / 1000
	return append(strconv.AppendFloat(append(b, `,"execution_time_ms":`...), milliseconds, 'f', 3, 64), '}')
}

// document adds a document. An answer that may not go on has no complete form: the connection is
// cut.
func (a *findAnswer) document(doc *syncstore.Document) error {
	b := a.out.held()
	if a.sent > 0 {
		b = append(b, ',')
	}
	a.out.keep(append(b, '\n'))
	a.sent++
	ctx := a.rq.r.Context()
	if err := a.docs.append(ctx, doc); err != nil {
		return fmt.Errorf("writing a document that was found: %w", err)
	}
	if a.whole != nil {
		a.out.keep(a.request.Projection.Append(a.out.held(), a.whole.held()))
		a.whole.keep(a.whole.held()[:0])
	}
	if !a.out.full() {
		return ctx.Err()
	}
	if err := a.out.lease.check(); errors.Is(err, errFeedEnded) {
		return loginRequired()
	} else if err != nil {
		return err
	}
	return a.out.send()
}
