package rest

import (
	"slices"

	"github.com/caddysync/caddy-sync/auth"
)

var (
	roleMembers  = []string{"name", "admin_channels", "collection_access"}
	roleReadOnly = []string{"all_channels"}
)

// roleBody is a role as an administrator writes it.
type roleBody struct {
	adminBody
	name   *string
	change auth.RoleChange
}

func (h *Handler) readRole(rq *request) (*roleBody, error) {
	body, err := h.readAdminBody(rq, "role", slices.Concat(roleMembers, roleReadOnly)...)
	if err != nil {
		return nil, err
	}
	r := &roleBody{adminBody: body}
	if err := take(body, "name", &r.name); err != nil {
		return nil, err
	}
	if err := take(body, "admin_channels", &r.change.AdminChannels); err != nil {
		return nil, err
	}
	if r.change.Collections, err = body.takeCollections(&r.change.AdminChannels); err != nil {
		return nil, err
	}
	return r, rq.knownCollections(r.change.Collections)
}

// listRoles answers GET /{db}/_role/, with deleted=true also those that were deleted.
func (h *Handler) listRoles(rq *request) error {
	deleted, err := rq.flag("deleted")
	if err != nil {
		return err
	}
	a, err := h.administration(rq)
	if err != nil {
		return err
	}
	names, err := a.RoleNames(deleted)
	if err != nil {
		return err
	}
	return h.sendList(rq, names, func(name string) (any, bool, error) { return name, true, nil })
}

func (h *Handler) getRole(rq *request) error {
	a, err := h.administration(rq)
	if err != nil {
		return err
	}
	info, err := a.Role(rq.item)
	if err != nil {
		return err
	}
	if err := rq.completeRole(&info); err != nil {
		return err
	}
	return rq.sendValue(info)
}

// postRole answers POST /{db}/_role/ with the name in the body: 409 if there is one.
func (h *Handler) postRole(rq *request) error {
	r, err := h.readRole(rq)
	if err != nil {
		return err
	}
	if r.name == nil || *r.name == "" {
		return badRequest("The body has no name.")
	}
	r.change.New = true
	return h.storeRole(rq, *r.name, r)
}

func (h *Handler) putRole(rq *request) error {
	r, err := h.readRole(rq)
	if err != nil {
		return err
	}
	if r.name != nil && *r.name != "" && *r.name != rq.item {
		return badRequest("Name mismatch (can't change name)")
	}
	return h.storeRole(rq, rq.item, r)
}

func (h *Handler) storeRole(rq *request, name string, r *roleBody) error {
	a, err := h.administration(rq)
	if err != nil {
		return err
	}
	now, err := a.RoleBefore(name)
	if err != nil {
		return err
	}
	if err := rq.completeRole(&now); err != nil {
		return err
	}
	members, err := asMembers(now)
	if err != nil {
		return err
	}
	for _, member := range roleReadOnly {
		if err := r.unchanged(member, members); err != nil {
			return err
		}
	}
	if err := r.unchangedCollections(members); err != nil {
		return err
	}
	created, err := a.PutRole(name, r.change)
	if err != nil {
		return err
	}
	return h.sendStored(rq, created, "_role", name)
}

// deleteRole answers DELETE /{db}/_role/{name}; with purge=true nothing of it is kept.
func (h *Handler) deleteRole(rq *request) error {
	purge, err := rq.flag("purge")
	if err != nil {
		return err
	}
	return h.administer(rq, func(a *auth.Administration) error { return a.DeleteRole(rq.item, purge) })
}
