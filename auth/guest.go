package auth

import (
	"context"
	"errors"
	"fmt"

	"github.com/caddysync/caddy-sync/syncstore"
)

// checkGuest refuses what could not be given to guests.
func (p *policy) checkGuest() error {
	_, err := checkChannels(p.GuestChannels)
	if err == nil {
		err = checkCollections(p.GuestCollections)
	}
	if refusal := (*Error)(nil); errors.As(err, &refusal) {
		return fmt.Errorf("guest: %s", refusal.Reason)
	}
	return err
}

// GuestsGiven are the channels of the configuration that guests have in a database.
func (s *Service) GuestsGiven(database string) []syncstore.Given {
	pol := s.policy(database)
	if pol == nil || !pol.Guest {
		return nil
	}
	return sortedGiven(givenChannels(pol.GuestChannels, pol.GuestCollections))
}

// GrantGuests makes the channels of the configuration what guests have in a database, in
// place of what they had there: guests are the principal without a name. What the store's
// index has already takes no sequence. ErrNoDatabase.
func (s *Service) GrantGuests(ctx context.Context, state *State, db Database) error {
	given := s.GuestsGiven(db.Name)
	err := state.update(ctx, func(tx *transaction) error {
		tx.SetGrants(db.ID, "", syncstore.GrantedByAdmin, given)
		return nil
	})
	if err != nil {
		return fmt.Errorf("granting channels to guests: %w", err)
	}
	return nil
}
