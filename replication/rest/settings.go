package rest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
)

// notImplemented says what this server has instead of an endpoint that clients may know from
// CouchDB.
func notImplemented(reason string) *answerError {
	return &answerError{status: http.StatusNotImplemented, name: "not_implemented", reason: reason, expected: true}
}

// maxSettingBody is the largest body that sets one thing, in bytes.
const maxSettingBody = 64 << 10

// security is the answer of GET /{db}/_security: administrators are who an administrators'
// site lets in, and members whom the database's providers and its guest policy let in. What
// they see is for channels and roles to say.
const security = `{"admins":{"names":[],"roles":["_admin"]},"members":{"names":[],"roles":[]}}`

// getSecurity answers GET /{db}/_security.
func (h *Handler) getSecurity(rq *request) error {
	return rq.sendJSON(http.StatusOK, []byte(security+"\n"))
}

// putSecurity answers PUT /{db}/_security: who comes in is not stored in the database. What
// GET answers is taken, so that tools can give back what they read; anything else would have
// no effect, and is refused.
func (h *Handler) putSecurity(rq *request) error {
	if err := administratorsOnly(rq); err != nil {
		return err
	}
	same, err := h.sameJSON(rq, security)
	if err != nil {
		return err
	}
	if !same {
		return notImplemented("Who may come in is said in the Caddyfile, by the database's providers and its guest policy, and what users see by channels: give users and roles channels at _user/ and _role/.")
	}
	return rq.sendJSON(http.StatusOK, []byte(`{"ok":true}`+"\n"))
}

// sameJSON reports whether the body is the JSON value that want is.
func (h *Handler) sameJSON(rq *request, want string) (bool, error) {
	read, err := h.readBody(rq, maxSettingBody)
	if err != nil {
		return false, err
	}
	defer read.free()
	var given, wanted any
	if err := json.Unmarshal(read.text, &given); err != nil {
		return false, badRequest("The body must be JSON.")
	}
	if err := json.Unmarshal([]byte(want), &wanted); err != nil {
		return false, fmt.Errorf("reading a setting: %w", err)
	}
	return reflect.DeepEqual(given, wanted), nil
}

// getRevsLimit answers GET /{db}/_revs_limit: how many generations of ancestry are kept.
func (h *Handler) getRevsLimit(rq *request) error {
	return rq.sendJSON(http.StatusOK, append(strconv.AppendInt(nil, int64(h.Store.Revisions()), 10), '\n'))
}

// putRevsLimit answers PUT /{db}/_revs_limit. The number is the store's, and is set where the
// store is.
func (h *Handler) putRevsLimit(rq *request) error {
	return h.putFixed(rq, int64(h.Store.Revisions()), "The number of revisions is the store's: write `revisions` in the databases of the Caddyfile.")
}

// purgedInfosLimit is how many purges are kept for replicators: no replicator is told of any.
const purgedInfosLimit = 1000

// getPurgedInfosLimit answers GET /{db}/_purged_infos_limit with CouchDB's default.
func (h *Handler) getPurgedInfosLimit(rq *request) error {
	return rq.sendJSON(http.StatusOK, append(strconv.AppendInt(nil, purgedInfosLimit, 10), '\n'))
}

// putPurgedInfosLimit answers PUT /{db}/_purged_infos_limit.
func (h *Handler) putPurgedInfosLimit(rq *request) error {
	return h.putFixed(rq, purgedInfosLimit, "Purges are not replicated, so that no number of them has to be kept.")
}

// putFixed takes the number that there is, and refuses others with a reason.
func (h *Handler) putFixed(rq *request, number int64, reason string) error {
	if err := administratorsOnly(rq); err != nil {
		return err
	}
	read, err := h.readBody(rq, maxSettingBody)
	if err != nil {
		return err
	}
	defer read.free()
	given, err := strconv.ParseInt(string(bytes.TrimSpace(read.text)), 10, 64)
	switch {
	case err != nil || given < 1:
		return badRequest("The body must be a whole number above 0.")
	case given != number:
		return notImplemented(reason)
	}
	return rq.sendJSON(http.StatusOK, []byte(`{"ok":true}`+"\n"))
}
