package auth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/caddysync/caddy-sync/syncstore"
)

// Role is a role of one database, as stored: a name for channels that many users have. A
// user may have a role before there is one; it gives something from the moment it is made.
type Role struct {
	Name          string           `json:"name"`
	AdminChannels []string         `json:"admin_channels,omitempty"`
	Collections   CollectionGrants `json:"collections,omitempty"`
	// Deleted roles give nothing. They are kept so that it can be told who lost what, until
	// they are purged.
	Deleted bool      `json:"deleted,omitempty"`
	Created time.Time `json:"created"`
}

var (
	// ErrNoRole: the database has no role of that name, or it was deleted.
	ErrNoRole = errors.New("no such role")
	// ErrRoleExists: the database already has a role of that name.
	ErrRoleExists = errors.New("role exists")
)

// roleRef is a role of a database.
type roleRef struct {
	db   uint32
	name string
}

const rolePrefix = "auth/role/"

func roleRecordKey(name string) []byte { return []byte(rolePrefix + name) }

// noRole is cached where there is no role: tokens name many that no database has.
var noRole = new(Role)

// role returns a role that gives something, nil if there is none. The value is shared: do
// not change it.
func (s *State) role(ctx context.Context, db uint32, name string) (*Role, error) {
	r, err := s.anyRole(ctx, roleRef{db, name})
	if err != nil || r == noRole || r.Deleted {
		return nil, err
	}
	return r, nil
}

// anyRole returns a role, also one that was deleted, and noRole if there is none. The value
// is shared.
func (s *State) anyRole(ctx context.Context, ref roleRef) (*Role, error) {
	if r, ok := s.roles.get(ref); ok {
		return r, nil
	}
	epoch := s.roles.epoch(ref)
	var r *Role
	err := s.records.View(ctx, func(reader syncstore.RecordReader) error {
		var err error
		r, err = readRole(reader, ref)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading a role: %w", err)
	}
	if r == nil {
		r = noRole
	}
	s.roles.putIf(ref, r, epoch)
	return r, nil
}

func readRole(r syncstore.RecordReader, ref roleRef) (*Role, error) {
	role := new(Role)
	found, err := readJSON(r, ref.db, roleRecordKey(ref.name), role)
	if !found {
		return nil, err
	}
	return role, nil
}

// Role returns a role of a database: ErrNoRole.
func (s *State) Role(ctx context.Context, db uint32, name string) (Role, error) {
	r, err := s.role(ctx, db, name)
	if err != nil {
		return Role{}, err
	}
	if r == nil {
		return Role{}, ErrNoRole
	}
	c := *r
	c.AdminChannels, c.Collections = append([]string(nil), r.AdminChannels...), r.Collections.clone()
	return c, nil
}

// RoleNames lists the roles of a database by name, with the deleted ones if asked.
func (s *State) RoleNames(ctx context.Context, db uint32, deleted bool) ([]string, error) {
	var names []string
	err := s.records.View(ctx, func(r syncstore.RecordReader) error {
		names = nil
		return r.Scan(db, []byte(rolePrefix), func(_, value []byte) error {
			role := new(Role)
			if err := decodeJSON(value, role); err != nil {
				return err
			}
			if !role.Deleted || deleted {
				names = append(names, role.Name)
			}
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("listing roles: %w", err)
	}
	return names, nil
}

// RoleUpdate changes a role: nil members stay as they are, empty ones are cleared.
type RoleUpdate struct {
	// New refuses a role that exists: ErrRoleExists.
	New           bool
	AdminChannels *[]string
	// Collections replaces the channels of the collections that are in it.
	Collections CollectionGrants
}

// PutRole makes or changes a role; created says which. One that was deleted is made anew.
// Errors: ErrRoleExists, ErrBadUserName.
func (s *State) PutRole(ctx context.Context, db uint32, name string, change RoleUpdate) (created bool, err error) {
	if err := checkRoleName(name); err != nil {
		return false, err
	}
	err = s.update(ctx, func(tx *transaction) error {
		r, err := readRole(tx, roleRef{db, name})
		if err != nil {
			return err
		}
		created = r == nil || r.Deleted
		switch {
		case created:
			r = &Role{Name: name, Created: time.Now().UTC().Truncate(time.Second)}
		case change.New:
			return ErrRoleExists
		}
		assign(&r.AdminChannels, change.AdminChannels)
		r.Collections = r.Collections.with(change.Collections)
		return tx.putRole(db, r)
	})
	return created, err
}

// DeleteRole deletes a role. Without purge its record is kept as deleted; with purge it
// goes, also of a role that was deleted before. Leases of those whom only it let in end.
// Errors: ErrNoRole.
func (s *State) DeleteRole(ctx context.Context, db uint32, name string, purge bool) error {
	defer s.leases.judgeRoles(db) //nolint:contextcheck // others' leases
	return s.update(ctx, func(tx *transaction) error {
		r, err := readRole(tx, roleRef{db, name})
		switch {
		case err != nil:
			return err
		case r == nil || r.Deleted && !purge:
			return ErrNoRole
		case purge:
			tx.deleteRole(db, r)
			return nil
		}
		r.Deleted = true
		return tx.putRole(db, r)
	})
}

// putRole stores a role, and what changes of what it gives.
func (tx *transaction) putRole(db uint32, r *Role) error {
	before, err := readRole(tx, roleRef{db, r.Name})
	if err != nil {
		return err
	}
	tx.events = append(tx.events, event{Kind: eventRole, DB: db, Name: r.Name})
	tx.giveRole(db, r.Name, before, r)
	return tx.putJSON(db, roleRecordKey(r.Name), r, time.Time{})
}

// deleteRole deletes a role, which is as stored, with its record.
func (tx *transaction) deleteRole(db uint32, r *Role) {
	tx.events = append(tx.events, event{Kind: eventRole, DB: db, Name: r.Name})
	tx.giveRole(db, r.Name, r, nil)
	tx.Delete(db, roleRecordKey(r.Name))
}

// with is g with the channels of the collections in change; one without channels goes.
func (g CollectionGrants) with(change CollectionGrants) CollectionGrants {
	if len(change) == 0 {
		return g
	}
	all := g.clone()
	for scope, collections := range change {
		if all[scope] == nil {
			all[scope] = map[string][]string{}
		}
		for name, channels := range collections {
			all[scope][name] = channels
			if len(channels) == 0 {
				delete(all[scope], name)
			}
		}
		if len(all[scope]) == 0 {
			delete(all, scope)
		}
	}
	return all
}
