package auth

import (
	"context"
	"fmt"
	"maps"
	"slices"
)

// Access is what a user has from all who gave something: administrators, tokens and
// documents, and what the roles have.
type Access struct {
	Roles []string
	// Channels are those of the default collection, with the sequence since when.
	Channels map[string]uint64
}

// accessOf is what a user has, beside the roles that an administrator and the token gave,
// which are told of whether the database has them or not. ok is false if nothing more is
// known than those say.
func (s *Service) accessOf(ctx context.Context, db Database, name string, tokenGrants bool, given []string) (access Access, ok bool, err error) {
	if s.access == nil {
		return Access{}, false, nil
	}
	a, err := s.access(ctx, db, name, tokenGrants)
	if err != nil {
		return Access{}, false, fmt.Errorf("reading what a user may see: %w", err)
	}
	channels := map[string]uint64{everybodysChannel: 1}
	maps.Copy(channels, a.Channels)
	return Access{Roles: union(slices.Clip(given), a.Roles), Channels: channels}, true, nil
}

// describeAccess says what a client is told of what p may see: the roles, and the channels
// of the default collection with the sequence since when, nil for who is no user.
func (s *Service) describeAccess(ctx context.Context, p *Principal) (roles []string, channels map[string]uint64, _ *Error) {
	if p.Name == "" {
		return p.Roles, nil, nil
	}
	a, ok, err := s.accessOf(ctx, p.db, p.Name, p.TokenGrants, p.Roles)
	switch {
	case err != nil:
		return nil, nil, errInternal("describing a user", err)
	case ok:
		return a.Roles, a.Channels, nil
	}
	channels = map[string]uint64{everybodysChannel: 1}
	for _, channel := range p.Channels {
		channels[channel] = 1
	}
	return p.Roles, channels, nil
}
