package rest

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// designInfo answers GET /{db}/_design/{design}/_info, in CouchDB's form.
func (h *Handler) designInfo(rq *request) error {
	if err := administratorsOnly(rq); err != nil {
		return err
	}
	doc, err := h.designDocument(rq, rq.docID)
	if err != nil {
		return err
	}
	info, err := h.Views.Info(rq.r.Context(), rq.coll, doc)
	if err != nil {
		return h.designFailed(rq, err)
	}
	body, err := json.Marshal(map[string]any{"name": doc.Name(), "view_index": info})
	if err != nil {
		return fmt.Errorf("writing the state of an index: %w", err)
	}
	return rq.sendJSON(http.StatusOK, append(body, '\n'))
}

// viewCleanup answers POST /{db}/_view_cleanup: indexes that no design document names are
// dropped, in the background.
func (h *Handler) viewCleanup(rq *request) error {
	if err := administratorsOnly(rq); err != nil {
		return err
	}
	if err := h.Views.Cleanup(rq.r.Context(), rq.coll); err != nil {
		return err
	}
	return rq.sendJSON(http.StatusAccepted, []byte("{\"ok\":true}\n"))
}

func administratorsOnly(rq *request) error {
	if rq.principal.Admin {
		return nil
	}
	return forbidden("This is for administrators, on their site.")
}
