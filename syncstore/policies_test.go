package syncstore

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPoliciesAreThoseOfLaterDatabasesAndCollectionsToo(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	of := func(version string) PolicyOf {
		return func(database, scope, collection string) Policy {
			return Policy{Evaluator: namedPolicy{}, Version: version + ":" + database + "." + scope + "." + collection}
		}
	}
	early, err := f.db.OpenCollection(t.Context(), "", "early")
	require.NoError(t, err)
	require.Empty(t, early.Policy().Version)
	f.store.SetPolicies(of("1"))
	require.Equal(t, "1:db._default._default", f.Policy().Version)
	require.Equal(t, "1:db._default.early", early.Policy().Version)

	late, err := f.db.OpenCollection(t.Context(), "shop", "late")
	require.NoError(t, err)
	require.Equal(t, "1:db.shop.late", late.Policy().Version)
	other, err := f.store.CreateDatabase(t.Context(), "other")
	require.NoError(t, err)
	require.Equal(t, "1:other._default._default", other.Default().Policy().Version)

	f.store.SetPolicies(of("2"))
	var versions []string
	for _, c := range f.db.Collections() {
		versions = append(versions, c.Policy().Version)
	}
	require.Equal(t, []string{"2:db._default._default", "2:db._default.early", "2:db.shop.late"}, versions)
	require.Equal(t, "2:other._default._default", other.Default().Policy().Version)
}

func TestGuestsSeeWhatTheyWereGiven(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.SetPolicy(Policy{Evaluator: namedPolicy{}})
	for id, body := range map[string]string{"open": `{"channels":["news"]}`, "public": `{"channels":["!"]}`, "closed": `{"channels":["staff"]}`} {
		require.NoError(t, f.write(Edit{ID: id, Body: []byte(body)}).Err)
	}
	guest := &Viewer{}
	sees := func(id string) bool {
		t.Helper()
		_, err := f.Get(t.Context(), id, GetOptions{Viewer: guest})
		if err != nil {
			require.ErrorIs(t, err, ErrNotFound)
		}
		return err == nil
	}
	require.True(t, sees("public"))
	require.False(t, sees("open"))

	give := func(given ...Given) {
		t.Helper()
		require.NoError(t, f.store.Records().Update(context.WithoutCancel(t.Context()), func(tx RecordTx) error {
			tx.SetGrants(f.db.ID(), guest.Name, GrantedByAdmin, given)
			return nil
		}))
	}
	give(Given{Channel: "news"})
	require.True(t, sees("open"))
	require.False(t, sees("closed"))
	before := f.db.Info().Seq
	give(Given{Channel: "news"})
	require.Equal(t, before, f.db.Info().Seq, "what they have already takes no sequence")
	give()
	require.False(t, sees("open"))
	require.True(t, sees("public"))
}
