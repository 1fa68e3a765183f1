package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/caddysync/caddy-sync/syncstore"
)

// regrantBatch is how many records are read in one transaction, which every write waits for.
const regrantBatch = 100

// Regrant hands the store's index what all users and roles of a database were given, as it
// is needed after a collection was made in which they were given channels before. What the
// index has already takes no sequence.
func (s *State) Regrant(ctx context.Context, db uint32) error {
	users, err := s.userNames(ctx, db)
	if err != nil {
		return err
	}
	roles, err := s.RoleNames(ctx, db, false)
	if err != nil {
		return err
	}
	if err := s.regrant(ctx, users, func(tx *transaction, name string) error {
		u, err := tx.user(db, name)
		if err != nil {
			return err
		}
		tx.SetGrants(db, name, syncstore.GrantedByAdmin, u.givenByAdmin())
		tx.SetGrants(db, name, syncstore.GrantedByToken, u.givenByToken())
		return nil
	}); err != nil {
		return fmt.Errorf("granting again: %w", err)
	}
	if err := s.regrant(ctx, roles, func(tx *transaction, name string) error {
		r, err := readRole(tx, roleRef{db, name})
		if r != nil {
			tx.SetGrants(db, syncstore.RolePrincipal(name), syncstore.GrantedByAdmin, r.given())
		}
		return err
	}); err != nil {
		return fmt.Errorf("granting again: %w", err)
	}
	return nil
}

// regrant calls fn for each name; who is gone meanwhile is left out.
func (s *State) regrant(ctx context.Context, names []string, fn func(tx *transaction, name string) error) error {
	for batch := range slices.Chunk(names, regrantBatch) {
		err := s.update(ctx, func(tx *transaction) error {
			for _, name := range batch {
				if err := fn(tx, name); err != nil && !errors.Is(err, ErrNoUser) {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
