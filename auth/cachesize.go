package auth

const (
	// personBytes is about what the caches take for one person who is signed in by a session
	// and a token: 1.2 KB for the session, 0.9 for the token, the rest for user and identity.
	personBytes = 2800

	minPeople = 1 << 10
	maxPeople = 1 << 20
)

// LimitCaches sets how much memory the caches of users, sessions and verified tokens may
// take, in bytes; 0 leaves the default, which is for 32 768 people and about 90 MB. Who is
// not in the caches costs about four reads of the store, or a signature check for a token.
// Services that start later follow it too.
func (s *State) LimitCaches(bytes int64) {
	if bytes <= 0 {
		return
	}
	people := int(min(max(bytes/personBytes, minPeople), maxPeople))
	s.people.Store(int64(people))
	s.sessions.resize(people)
	// Who has a binding needs neither; an identity takes two entries, one of them for the
	// store as a whole.
	s.users.resize(people / 2)
	s.identities.resize(people)
}

// limitDigests makes the cache of a Service follow its state's.
func (s *Service) limitDigests(state *State) {
	if people := state.people.Load(); people > 0 {
		s.digests.resize(int(people))
	}
}
