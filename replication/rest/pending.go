package rest

import "errors"

var errPending = errors.New("not written yet")

func (h *Handler) databaseInfo(*request) error     { return errPending }
func (h *Handler) createDatabase(*request) error   { return errPending }
func (h *Handler) deleteDatabase(*request) error   { return errPending }
func (h *Handler) postDocument(*request) error     { return errPending }
func (h *Handler) ensureFullCommit(*request) error { return errPending }
func (h *Handler) getDocument(*request) error      { return errPending }
func (h *Handler) putDocument(*request) error      { return errPending }
func (h *Handler) deleteDocument(*request) error   { return errPending }
func (h *Handler) bulkDocs(*request) error         { return errPending }
func (h *Handler) bulkGet(*request) error          { return errPending }
func (h *Handler) revsDiff(*request) error         { return errPending }
func (h *Handler) getAttachment(*request) error    { return errPending }
func (h *Handler) putAttachment(*request) error    { return errPending }
func (h *Handler) deleteAttachment(*request) error { return errPending }
