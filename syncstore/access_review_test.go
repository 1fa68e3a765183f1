package syncstore

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// items is another collection of the fixture's database, and a fixture of its own.
func (f *fixture) items(policy Evaluator) *fixture {
	f.t.Helper()
	c, err := f.db.OpenCollection(f.t.Context(), "shop", "items")
	require.NoError(f.t, err)
	c.SetPolicy(Policy{Evaluator: policy})
	other := *f
	other.Collection = c
	return &other
}

// bodyIn is a body by which namedPolicy puts a document into channels.
func bodyIn(t *testing.T, channels ...string) []byte {
	t.Helper()
	body, err := json.Marshal(namedBody{Channels: channels})
	require.NoError(t, err)
	return body
}

func TestWhatIsDueInOtherCollectionsIsDone(t *testing.T) {
	t.Parallel()
	f := newFixture(t).items(nil)
	r := f.write(Edit{ID: "short", Body: []byte(`{}`), Expires: f.clock.Now().Add(time.Minute)})
	require.NoError(t, r.Err)
	rev := f.put("d", `{"n":1}`, Rev{})
	f.put("d", `{"n":2}`, rev)
	require.Equal(t, 1, f.keys(kindBody))
	f.clock.advance(DefaultOldBodies + time.Minute)
	f.sweepNow()
	_, err := f.Get(t.Context(), "d", GetOptions{Rev: rev})
	require.ErrorIs(t, err, ErrNotFound, "the old body is dropped")
	_, err = f.Get(t.Context(), "short", GetOptions{})
	require.ErrorIs(t, err, ErrDeleted)
}

func TestContentThatOtherCollectionsNameIsKept(t *testing.T) {
	t.Parallel()
	main := newFixture(t)
	f := main.items(nil)
	content := f.upload([]byte("a photograph"))
	r := f.write(Edit{ID: "d", Attachments: []AttachmentEdit{{Name: "photo", Content: content}}})
	require.NoError(t, r.Err)
	for range 3 {
		f.clock.advance(unusedContent + time.Minute)
		f.sweepNow()
	}
	require.Equal(t, "a photograph", string(f.content(content)))

	// When the last document that names it does no more, it goes.
	f.put("d", `{}`, r.Rev)
	for range 3 {
		f.clock.advance(DefaultOldBodies + time.Minute)
		f.sweepNow()
	}
	_, err := f.db.OpenContent(t.Context(), content)
	require.ErrorIs(t, err, ErrNotFound)
}
