package syncstore

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Content is found in any revision that is kept and that the viewer may read, whatever its name
// there, and in no other document (DECISIONS 22).
func TestDecision22_ContentIsFoundInWhatOneMayRead(t *testing.T) {
	t.Parallel()
	f := newAccessFixture(t)
	old, now := f.upload([]byte("old")), f.upload([]byte("now"))
	first := f.write(Edit{ID: "a", Body: []byte(`{"channels":["!"]}`), Attachments: []AttachmentEdit{{Name: "x", Content: old}}})
	require.NoError(t, first.Err)
	second := f.write(Edit{
		ID: "a", Parent: first.Rev, Body: []byte(`{"channels":["private"]}`), Attachments: []AttachmentEdit{{Name: "y", Content: now, Digest: now.SHA1Digest()}},
	})
	require.NoError(t, second.Err)
	require.NoError(t, f.write(Edit{ID: "b", Body: []byte(`{"channels":["!"]}`)}).Err)
	find := func(id, digest string, viewer *Viewer) (Content, error) {
		return f.FindContent(t.Context(), id, digest, viewer)
	}
	for _, c := range []Content{old, now} {
		for _, digest := range []string{c.MD5Digest(), c.SHA1Digest()} {
			found, err := find("a", digest, nil)
			require.NoError(t, err)
			require.Equal(t, c, found)
			_, err = find("b", digest, nil)
			require.ErrorIs(t, err, ErrNotFound)
		}
	}
	_, err := find("a", now.SHA1Digest(), &Viewer{Name: "mallory"})
	require.ErrorIs(t, err, ErrNotFound)
	_, err = find("a", "sha1-", nil)
	require.ErrorIs(t, err, ErrNotFound)
	_, err = find("none", now.SHA1Digest(), nil)
	require.ErrorIs(t, err, ErrNotFound)
	_, err = find("", now.SHA1Digest(), nil)
	require.ErrorIs(t, err, ErrBadID)
}
