package auth

import "context"

// maxEnded is how many sessions one transaction ends. Each is up to ten keys, and a transaction of
// too many fails with whatever else is in its group: somebody with thousands of sessions could not
// be signed out.
const maxEnded = 300

// ending says which sessions end.
type ending struct {
	owner  identityKey
	issued int64 // those from tokens issued by then, in Unix seconds; 0: from whatever
	refuse bool  // refuses the tokens too that they were made from
	count  *int  // counts those that ended, if not nil
	// left are the sessions, if some ended in an earlier transaction. Who has signed in since stays
	// signed in.
	left []sessionKey
}

// endSessions ends sessions, as many as the transaction takes. The others end in further ones,
// before update returns: what makes them worthless has to be in this one.
func (tx *transaction) endSessions(e ending) error {
	if e.left == nil {
		var err error
		if e.left, err = sessionsOf(tx, e.owner); err != nil {
			return err
		}
	}
	ended := 0
	defer func() { tx.counted = append(tx.counted, counted{e.count, ended}) }()
	for i, key := range e.left {
		if tx.ended == maxEnded {
			e.left = e.left[i:]
			tx.rest = append(tx.rest, e)
			return nil
		}
		x, err := readSession(tx, key)
		if err != nil {
			return err
		}
		if x == nil || e.issued != 0 && x.TokenIssued > e.issued {
			continue
		}
		tx.end(x, e.refuse)
		tx.ended++
		ended++
	}
	return nil
}

// counted is how many sessions of an ending a transaction ended.
type counted struct {
	to *int
	n  int
}

// endRest ends the sessions that were too many for one transaction.
func (s *State) endRest(ctx context.Context, rest []ending) error {
	if len(rest) == 0 {
		return nil
	}
	return s.update(ctx, func(tx *transaction) error {
		for _, e := range rest {
			if err := tx.endSessions(e); err != nil {
				return err
			}
		}
		return nil
	})
}

// endSessionsOf ends the sessions of a user and of its identities; refuse also refuses the
// tokens that they were made from.
func (tx *transaction) endSessionsOf(db uint32, u *User, refuse bool) error {
	for _, owner := range u.owners(db) {
		if err := tx.endSessions(ending{owner: owner, refuse: refuse}); err != nil {
			return err
		}
	}
	return nil
}
