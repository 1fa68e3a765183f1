package rest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/caddysync/caddy-sync/auth"
	"github.com/caddysync/caddy-sync/syncstore"
)

// backup answers GET /_backup on an administrators' site with everything in the store, the hashes
// of passwords and sessions among it. So it is for who may do everything with every database of the
// store, and not for pages of other origins, though they could not read what the browser puts into a
// file.
func (h *Handler) backup(rq *request) error {
	if err := h.signInBackup(rq); err != nil {
		return err
	}
	rq.set("Cache-Control", "no-store")
	if rq.r.Method == http.MethodHead {
		return h.backupHead(rq)
	}
	ctx, end, err := h.leased(rq)
	if err != nil {
		return err
	}
	defer end()
	_ = http.NewResponseController(rq.w).SetReadDeadline(time.Time{}) // a server's read_timeout would end the context; not every writer has one
	since := rq.query.Get("since")
	err = SendBackup(rq.w, rq.r.WithContext(ctx), h.Store, h.Logger, syncstore.BackupOptions{
		Since: since, Admit: h.showsAll,
		Begin: func(syncstore.BackupHeader) {
			rq.answered = true
			rq.seen.Live = true // no measure of how fast answers are
			h.auth.Administer(rq.r, rq.principal, auth.Database{}).Note(auth.BackupTaken, since)
		},
	})
	switch {
	case errors.Is(err, syncstore.ErrUnknownBackup):
		return &answerError{status: http.StatusConflict, name: "conflict", reason: "The store does not know the backup that this one is to be since. Make a whole one."}
	case errors.Is(err, syncstore.ErrBackupInterrupted):
		return unavailable("The store is being closed or recovered. Try again.", err)
	case err != nil:
		return fmt.Errorf("making a backup: %w", err)
	}
	return nil
}

func (h *Handler) backupHead(rq *request) error {
	if err := h.showsAll(h.Store.Databases()); err != nil {
		return err
	}
	backupHeaders(rq.w.Header())
	rq.answered = true
	rq.w.WriteHeader(http.StatusOK)
	return nil
}

// prepareBackup answers POST /_backup: whether GET would be answered, which a page wants to know
// before it has the browser load a file. A browser sends no token with that: who came with one gets a
// cookie that is good for one GET.
func (h *Handler) prepareBackup(rq *request) error {
	if err := h.signInAdministrator(rq); err != nil {
		return err
	}
	if err := h.showsAll(h.Store.Databases()); err != nil {
		return err
	}
	rq.set("Cache-Control", "no-store")
	if rq.principal.Method == auth.MethodBearer {
		id, err := h.tickets.issue(rq.principal, time.Now())
		if err != nil {
			return err
		}
		http.SetCookie(rq.w, h.ticketCookie(rq.r, id))
	}
	return rq.sendJSON(http.StatusOK, []byte(`{"ok":true}`+"\n"))
}

// signInBackup signs in by what the request brings, or by a ticket, which is used up.
func (h *Handler) signInBackup(rq *request) error {
	if err := h.refuseOtherPages(rq.r); err != nil {
		return err
	}
	if cookie, err := rq.r.Cookie(ticketName); err == nil && rq.r.Method == http.MethodGet {
		if p := h.tickets.use(cookie.Value, time.Now()); p != nil {
			rq.principal = p
			return h.Site.Admin.AdmitPlace(rq.r)
		}
	}
	return h.signInAdministrator(rq)
}

// showsAll refuses a backup to a site that does not show every database that would be in it.
func (h *Handler) showsAll(databases []string) error {
	for _, name := range databases {
		if !h.mounted(name) {
			return forbidden("A backup has every database of the store, and this site does not show all of them. Make it on the server: caddy-sync sync backup <file>")
		}
	}
	return nil
}

// leased is the request's context, that ends with the sign-in too (DECISIONS 38).
func (h *Handler) leased(rq *request) (context.Context, func(), error) {
	lease, err := h.take(rq)
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithCancel(rq.r.Context())
	go func() {
		select {
		case <-lease.Done():
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(); lease.Close() }, nil
}
