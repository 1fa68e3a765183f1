package test

import (
	"fmt"
	"testing"

	"github.com/caddysync/caddy-sync/test/cblite"
	"github.com/stretchr/testify/require"
)

// A device changes documents, is updated to Couchbase Lite 4 and changes some more before it replicates again, where it
// did before or at another address of the server. Nobody else changes these: none of it is lost.
func TestAnUpdateToCouchbaseLite4LosesNothing(t *testing.T) {
	t.Parallel()

	updates(t, func(t *testing.T, before, after cblite.Library) {
		t.Helper()

		for _, resolver := range []string{"", "remote", "merge"} {
			for _, moves := range []bool{false, true} {
				t.Run(fmt.Sprintf("%q, to another address: %v", resolver, moves), func(t *testing.T) {
					t.Parallel()
					updateCouchbaseLite(t, before, after, resolver, moves)
				})
			}
		}
	})
}

// updates runs a test for each two libraries between which an app may be updated to Couchbase Lite 4.
func updates(t *testing.T, test func(t *testing.T, before, after cblite.Library)) {
	t.Helper()

	libraries := couchbaseLite(t)
	ran := false

	for _, before := range libraries {
		for _, after := range libraries {
			if before.Major() >= 4 || after.Major() < 4 {
				continue
			}

			ran = true

			t.Run(fmt.Sprintf("%s to %s", before, after), func(t *testing.T) {
				t.Parallel()
				test(t, before, after)
			})
		}
	}

	if !ran {
		t.Skipf("NOT RUN: %s lists no versions to update from and to", cblite.Variable)
	}
}

// An app works without a server, is updated to Couchbase Lite 4, and replicates for the first time only then, as one does
// whose user signs in later.
func TestAnAppThatReplicatesFirstAfterItsUpdateToCouchbaseLite4LosesNothing(t *testing.T) {
	t.Parallel()

	updates(t, func(t *testing.T, before, after cblite.Library) {
		t.Helper()

		s := newLiteSite(t, before)
		alice := s.people[0]
		alice.resolver = "remote"
		save := alice.saveRound

		save(1, "as it was", "edited", "edited after", "edited when here", "by others", "deleted")
		save(2, "edited")
		alice.Delete(cblite.Default, "deleted")
		alice.Update(after)
		save(3, "edited after", "new")

		want := map[string]any{"as it was": 1.0, "edited": 2.0, "edited after": 3.0, "edited when here": 1.0, "by others": 1.0, "new": 3.0}

		for round := range 4 {
			s.replicate(alice)
			require.Equal(t, want, s.rounds())
			require.Empty(t, s.differences(alice))

			if round == 1 {
				save(4, "edited when here")
				s.putRound(5, "by others")

				want["edited when here"], want["by others"] = 4.0, 5.0
			}
		}
	})
}

func updateCouchbaseLite(t *testing.T, before, after cblite.Library, resolver string, moves bool) {
	t.Helper()

	s := newLiteSite(t, before)
	alice := s.people[0]
	alice.resolver = resolver
	save := alice.saveRound

	all := []string{"as it was", "edited", "edited often", "deleted", "by others", "edited before", "deleted before", "edited before and after"}
	for round := range 2 {
		save(round, all...)
		s.replicate(alice)
	}

	// What it has not pushed of before the update, Couchbase Lite 4 takes for a conflict at another address, and where the
	// database was one of Couchbase Lite 2: it does not know what the server had.
	forgets := moves || before.Before3()
	if !forgets {
		save(3, "edited before", "edited before and after")
		alice.Delete(cblite.Default, "deleted before")
	}

	if !moves { // Couchbase Lite 4 could not read it any more
		save(3, "made before", "made before, edited after")
	}

	alice.Update(after)

	if !moves {
		save(4, "made before, edited after")
	}

	save(4, "edited", "edited often", "edited before and after", "new")
	save(5, "edited often")
	alice.Delete(cblite.Default, "deleted")

	s.putRound(6, "by others")

	want := map[string]any{"as it was": 1.0, "edited": 4.0, "edited often": 5.0, "by others": 6.0, "edited before": 3.0, "edited before and after": 4.0, "new": 4.0}
	if !moves {
		want["made before"], want["made before, edited after"] = 3.0, 4.0
	}

	if forgets {
		want["edited before"], want["deleted before"] = 1.0, 1.0
	}

	r := s.replication(alice, false)
	if moves {
		r.URL = s.anotherAddress()
	}

	for range 3 {
		require.Nil(t, alice.Replicate(r).Error)
		require.Equal(t, want, s.rounds())
		require.Empty(t, s.differences(alice))
	}
}
