package auth

import (
	"errors"
	"net/http"
)

// RoleChange is what an administrator changes of a role: nil members stay as they are,
// empty ones are cleared.
type RoleChange struct {
	// New refuses a role that exists.
	New           bool
	AdminChannels *[]string
	// Collections replaces the channels of the collections that are in it.
	Collections CollectionGrants
}

// Role describes a role.
func (a *Administration) Role(name string) (RoleInfo, error) {
	info, err := a.describeRole(name)
	if err == nil {
		a.note(auditRoleRead, auditRole(name))
	}
	return info, err
}

// RoleBefore describes a role as it is before a change; of one that is yet to be made it
// knows the name.
func (a *Administration) RoleBefore(name string) (RoleInfo, error) {
	info, err := a.describeRole(name)
	if refusal, ok := errors.AsType[*Error](err); ok && refusal.Status == http.StatusNotFound {
		return roleInfo(&Role{Name: name}), nil
	}
	return info, err
}

func (a *Administration) describeRole(name string) (RoleInfo, error) {
	r, err := a.state().role(a.r.Context(), a.db.ID, name)
	if err == nil && r == nil {
		err = ErrNoRole
	}
	if err != nil {
		return RoleInfo{}, administrationError("reading a role", err)
	}
	return roleInfo(r), nil
}

// RoleNames lists the roles by name, those that were deleted too if asked.
func (a *Administration) RoleNames(deleted bool) ([]string, error) {
	names, err := a.state().RoleNames(a.r.Context(), a.db.ID, deleted)
	if err != nil {
		return nil, administrationError("listing roles", err)
	}
	a.note(auditRolesListed)
	return names, nil
}

// PutRole makes or changes a role; created says which.
func (a *Administration) PutRole(name string, change RoleChange) (created bool, err error) {
	update := RoleUpdate{New: change.New, Collections: change.Collections}
	if update.AdminChannels, err = checkedList(change.AdminChannels, checkChannels); err != nil {
		return false, err
	}
	if err := checkCollections(change.Collections); err != nil {
		return false, err
	}
	created, err = a.state().PutRole(a.lasting(), a.db.ID, name, update)
	if err != nil {
		return false, administrationError("storing a role", err)
	}
	members := []string{}
	if change.AdminChannels != nil {
		members = append(members, "admin_channels")
	}
	if len(change.Collections) > 0 {
		members = append(members, "collection_access")
	}
	event := auditRoleUpdated
	if created {
		event = auditRoleCreated
	}
	a.note(event, auditRole(name), auditChanged(members))
	return created, nil
}

// DeleteRole deletes a role; with purge nothing of it is kept.
func (a *Administration) DeleteRole(name string, purge bool) error {
	if err := a.state().DeleteRole(a.lasting(), a.db.ID, name, purge); err != nil {
		return administrationError("deleting a role", err)
	}
	a.note(auditRoleDeleted, auditRole(name))
	return nil
}
