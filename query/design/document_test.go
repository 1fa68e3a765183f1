package design

import (
	"testing"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

func TestDecision26_MembersOfADesignDocumentAreCaseSensitive(t *testing.T) {
	t.Parallel()
	d, err := Parse(&syncstore.Document{ID: "_design/d", Body: []byte(`{
		"Language": "English", "Filters": 1, "Options": [], "VALIDATE_DOC_UPDATE": {},
		"options": {"local_seq": true, "Local_Seq": "yes", "Collation": "raw"},
		"views": {"v": {"map": "doc => emit(1)", "Map": "doc => emit(2)", "Reduce": "_sum"}}, "Views": {}
	}`)})
	require.NoError(t, err)
	require.Equal(t, JavaScript, d.Language)
	require.Equal(t, map[string]View{"v": {Map: "doc => emit(1)"}}, d.Views)
	require.Equal(t, ViewOptions{LocalSeq: true}, d.Options)
}
