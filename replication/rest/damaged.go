package rest

import (
	"errors"

	"github.com/caddysync/caddy-sync/syncstore"
	"go.uber.org/zap"
)

// passesOver reports whether an error is that of one document which is damaged, and notes it in the log. It will not
// heal: if an answer about many stopped at it, a client would never get those behind it.
func (h *Handler) passesOver(rq *request, err error) bool {
	if !errors.Is(err, syncstore.ErrDamagedDocument) {
		return false
	}
	if h.Logger != nil {
		h.Logger.Error("a document is passed over", zap.String("database", rq.dbName), zap.Error(err))
	}
	return true
}
