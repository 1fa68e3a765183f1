package syncstore

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const fitDigest = "0123456789abcdef0123456789abcdef"

func TestDecision27_RevisionsThatCouchbaseLiteHolds(t *testing.T) {
	t.Parallel()
	for rev, want := range map[string]bool{
		"1-" + fitDigest: true, "12-" + fitDigest + "01234567": true, "1-" + fitDigest + "0": false, "1-" + fitDigest[2:]: false,
		"1-" + fitDigest + "0123456789": false, "1-" + strings.ToUpper(fitDigest): false, "1-" + fitDigest[1:] + "g": false, "1": false, "": false,
	} {
		require.Equal(t, want, RevFitsLite(rev), rev)
	}
}

func TestDecision27_LiteIDsRefusesWhatCouchbaseLiteCannotHold(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	long, longer := strings.Repeat("x", 240), strings.Repeat("x", 241)
	before := f.write(Edit{ID: longer})
	require.NoError(t, before.Err)
	f.SetPolicy(Policy{LiteIDs: true})
	require.NoError(t, f.write(Edit{ID: long}).Err)
	require.ErrorIs(t, f.write(Edit{ID: longer + "y"}).Err, ErrBadID)
	require.ErrorIs(t, f.write(Edit{ID: "a", History: revs(t, "1-a")}).Err, ErrBadHistory)
	require.NoError(t, f.write(Edit{ID: "a", History: revs(t, "1-"+fitDigest)}).Err)
	require.NoError(t, f.write(Edit{ID: longer, Parent: before.Rev, Deleted: true}).Err, "what is there can be taken away")
	f.SetPolicy(Policy{})
	require.NoError(t, f.write(Edit{ID: longer + "y"}).Err)
}
