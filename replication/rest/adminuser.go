package rest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/caddysync/caddy-sync/auth"
)

// maxAdminBody is the largest body that describes a user or a role.
const maxAdminBody = 1 << 20

var okBody = []byte(`{"ok":true}` + "\n")

// administration begins what an administrator does. The answers are about people: nothing
// keeps them.
func (h *Handler) administration(rq *request) (*auth.Administration, error) {
	if h.Site.Admin == nil || !rq.principal.Admin {
		return nil, notFound("missing")
	}
	rq.set("Cache-Control", "no-store")
	return h.auth.Administer(rq.r, rq.principal, auth.Database{Name: rq.dbName, ID: rq.db.ID()}), nil
}

// userInfo is the user that the path names, for an administrator.
func (h *Handler) userInfo(rq *request) (auth.UserInfo, error) {
	a, err := h.administration(rq)
	if err != nil {
		return auth.UserInfo{}, err
	}
	return a.User(rq.item)
}

// administer lets an administrator do something and answers that it is done.
func (h *Handler) administer(rq *request, act func(*auth.Administration) error) error {
	a, err := h.administration(rq)
	if err != nil {
		return err
	}
	if err := act(a); err != nil {
		return err
	}
	return rq.sendJSON(http.StatusOK, okBody)
}

// sendValue writes v as the whole answer.
func (rq *request) sendValue(v any) error { return rq.sendValueAs(http.StatusOK, v) }

func (rq *request) sendValueAs(status int, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encoding the answer: %w", err)
	}
	return rq.sendJSON(status, append(text, '\n'))
}

// sendStored answers a change: 201 with a Location if something was made.
func (h *Handler) sendStored(rq *request, created bool, kind, name string) error {
	status := http.StatusOK
	if created {
		status = http.StatusCreated
		rq.set("Location", h.PathPrefix+"/"+url.PathEscape(rq.dbName)+"/"+kind+"/"+url.PathEscape(name))
	}
	return rq.sendJSON(status, okBody)
}

// listUsers answers GET /{db}/_user/: the names, or with name_only=false what most want to
// know of each, from the name startkey on. limit goes with name_only=false only, as Sync Gateway
// has it.
func (h *Handler) listUsers(rq *request) error {
	nameOnly := true
	if rq.query.Has("name_only") {
		var err error
		if nameOnly, err = rq.flag("name_only"); err != nil {
			return err
		}
	}
	limit, err := rq.limit()
	if err != nil {
		return err
	}
	if limit > 0 && nameOnly {
		return badRequest("limit needs name_only=false.")
	}
	a, err := h.administration(rq)
	if err != nil {
		return err
	}
	names, err := a.UserNames()
	if err != nil {
		return err
	}
	if start := rq.query.Get("startkey"); start != "" {
		from, _ := slices.BinarySearch(names, start)
		names = names[from:]
	}
	if limit > 0 && limit < len(names) {
		names = names[:limit]
	}
	return h.sendList(rq, names, func(name string) (any, bool, error) {
		if nameOnly {
			return name, true, nil
		}
		summary, ok, err := a.Summary(name)
		return summary, ok, err
	})
}

// limit reads the query parameter limit: 0 if there is none.
func (rq *request) limit() (int, error) {
	text := rq.query.Get("limit")
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, badRequest("limit must be a number from 1.")
	}
	return n, nil
}

// limitUpTo reads the query parameter limit, of which there are usual and most.
func (rq *request) limitUpTo(usual, most int) (int, error) {
	n, err := rq.limit()
	if n == 0 {
		n = usual
	}
	return min(n, most), err
}

// sendList writes an array with an element for each name; describe may leave one out.
func (h *Handler) sendList(rq *request, names []string, describe func(string) (any, bool, error)) error {
	out := h.newStream(rq, http.StatusOK, jsonType)
	defer out.close()
	guard := h.guard(rq)
	defer guard.stop()
	out.guard = guard
	separator := "["
	for _, name := range names {
		element, ok, err := describe(name)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		text, err := json.Marshal(element)
		if err != nil {
			return fmt.Errorf("encoding a list: %w", err)
		}
		if _, err := out.Write(append([]byte(separator), text...)); err != nil {
			return err
		}
		separator = ","
	}
	end := "]\n"
	if separator == "[" {
		end = "[]\n"
	}
	if _, err := out.Write([]byte(end)); err != nil {
		return err
	}
	return out.finish()
}

func (h *Handler) getUser(rq *request) error {
	info, err := h.userInfo(rq)
	if err != nil {
		return err
	}
	if err := rq.completeUser(&info); err != nil {
		return err
	}
	return rq.sendValue(info)
}

// postUser answers POST /{db}/_user/ with the name in the body: 409 if there is one.
func (h *Handler) postUser(rq *request) error {
	u, err := h.readUser(rq)
	if err != nil {
		return err
	}
	if u.name == nil || *u.name == "" {
		return badRequest("The body has no name.")
	}
	u.change.New = true
	return h.storeUser(rq, *u.name, u)
}

// putUser answers PUT /{db}/_user/{name}: members that are absent stay as they are.
func (h *Handler) putUser(rq *request) error {
	u, err := h.readUser(rq)
	if err != nil {
		return err
	}
	if u.name != nil && *u.name != "" && *u.name != rq.item {
		return badRequest("Name mismatch (can't change name)")
	}
	return h.storeUser(rq, rq.item, u)
}

func (h *Handler) storeUser(rq *request, name string, u *userBody) error {
	a, err := h.administration(rq)
	if err != nil {
		return err
	}
	now, err := a.Before(name)
	if err != nil {
		return err
	}
	if err := rq.completeUser(&now); err != nil {
		return err
	}
	if err := u.settle(&now); err != nil {
		return err
	}
	if name == auth.GuestName && u.changesNothing(now) {
		return rq.sendJSON(http.StatusOK, okBody)
	}
	created, err := a.PutUser(name, u.change)
	if err != nil {
		return err
	}
	return h.sendStored(rq, created, "_user", name)
}

// deleteUser takes the user's local documents away too. If that fails, it is done by asking again,
// which answers 404 then.
func (h *Handler) deleteUser(rq *request) error {
	return h.administer(rq, func(a *auth.Administration) error {
		err := a.DeleteUser(rq.item)
		var refusal *auth.Error
		if err != nil && (!errors.As(err, &refusal) || refusal.Status != http.StatusNotFound) {
			return err
		}
		if dropped := rq.db.DropLocals(rq.item); dropped != nil {
			return dropped
		}
		return err
	})
}
