package auth

import "context"

// recovered takes up what became of a commit in doubt (DECISIONS 32): whoever made it was told to try again, and what
// others have read meanwhile, with or without it, may be otherwise now. The store takes no writes until this is done,
// so that whoever tries again finds it done.
//
// Nothing that was read before comes back: whoever is on the way with it finds a cache's epoch, or a mark, moved.
func (s *State) recovered(ctx context.Context) error {
	if err := s.loadRefused(ctx); err != nil {
		return err
	}
	s.users.dropAll()
	s.roles.dropAll()
	s.identities.dropAll()
	s.sessions.dropAll()
	s.changes.all()
	s.background.Go(s.leases.judgeAll) // thousands of them read a lot, and writers wait
	return nil
}
