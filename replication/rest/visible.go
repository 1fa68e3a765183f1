package rest

import (
	"errors"

	"github.com/caddysync/caddy-sync/syncstore"
)

// errUnreadable answers in a database that says so for what is not there, and for what is
// there and not to be read.
var errUnreadable = forbidden("forbidden")

// read reads the document of the request, as far as who asks may see it.
func (h *Handler) read(rq *request, o syncstore.GetOptions) (*syncstore.Document, error) {
	o.Viewer = rq.viewer()
	doc, err := rq.coll.Get(rq.r.Context(), rq.docID, o)
	return doc, h.unreadable(rq, err)
}

// unreadable is the answer for what is not there, or not to be read: the store makes no
// difference between the two, and so nobody can tell them apart. Other errors stay.
func (h *Handler) unreadable(rq *request, err error) error {
	if err == nil || !errors.Is(err, syncstore.ErrNotFound) || rq.principal.Admin {
		return err
	}
	if h.Database(rq.dbName).Forbidden {
		return errUnreadable
	}
	return err
}

// seesAll reports whether who asks sees every document of the collection, and so may know
// how many there are.
func (rq *request) seesAll() (bool, error) {
	return rq.coll.SeesAll(rq.r.Context(), rq.viewer())
}
