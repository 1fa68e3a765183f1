package rest

import (
	"bytes"
	"errors"
	"mime"

	"github.com/caddysync/caddy-sync/auth"
	"github.com/caddysync/caddy-sync/syncstore"
)

// maxExplainBody is the largest body with a token to explain, in bytes: a token that is
// too long is told so if it is not much too long.
const maxExplainBody = 64 << 10

// jwtType is the media type of a bare token (RFC 7519 section 10.3.1). Browsers do not
// send it across origins without asking.
const jwtType = "application/jwt"

// explain answers POST /_auth/explain on an administrator's site (DECISIONS 42): the body
// is the bare token, or {"token","database"}; the database may also be in the query as db.
func (h *Handler) explain(rq *request) error {
	rq.set("Cache-Control", "no-store")
	var err error
	if rq.principal, err = h.auth.AuthenticateAdmin(rq.r, &h.Site); err != nil {
		return err
	}
	if err := h.checkOrigin(rq); err != nil {
		return err
	}
	if given, _, err := mime.ParseMediaType(rq.r.Header.Get("Content-Type")); err != nil || given != jwtType {
		if err := h.checkContentType(rq, action{}); err != nil {
			return err
		}
	}
	raw, name, err := h.readToken(rq)
	if err != nil {
		return err
	}
	db, err := h.namedDatabase(name)
	if err != nil {
		return err
	}
	explanation, err := h.auth.Explain(rq.r.Context(), rq.principal, raw, db)
	if err != nil {
		return err
	}
	return rq.sendValue(explanation)
}

func (h *Handler) readToken(rq *request) (raw, database string, err error) {
	b, err := h.readBody(rq, maxExplainBody)
	if err != nil {
		return "", "", err
	}
	defer b.free()
	database = rq.query.Get("db")
	text := bytes.TrimSpace(b.text)
	if len(text) == 0 || text[0] != '{' {
		return string(text), database, nil
	}
	body, err := parseAdminBody(text, "request to explain a token", []string{"token", "database"})
	if err != nil {
		return "", "", err
	}
	var token, db *string
	if err := take(body, "token", &token); err != nil {
		return "", "", err
	}
	if err := take(body, "database", &db); err != nil {
		return "", "", err
	}
	if token == nil {
		return "", "", badRequest(`Send the token as the body, or as {"token":"…"}.`)
	}
	if db != nil {
		database = *db
	}
	return *token, database, nil
}

// namedDatabase is the site's database of that name, nil for "".
func (h *Handler) namedDatabase(name string) (*auth.Database, error) {
	if name == "" {
		return nil, nil
	}
	if !h.mounted(name) {
		return nil, errNoDatabaseFile
	}
	db, err := h.Store.Database(name)
	if errors.Is(err, syncstore.ErrNoDatabase) {
		return nil, errNoDatabaseFile
	}
	if err != nil {
		return nil, err
	}
	return &auth.Database{Name: name, ID: db.ID()}, nil
}
