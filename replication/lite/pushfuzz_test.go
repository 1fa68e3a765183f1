package lite

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/jsondoc"
	"github.com/stretchr/testify/require"
)

// Whatever a body is, it is refused, or taken apart into what the store and other clients take.
func FuzzReceivedBody(f *testing.F) {
	f.Add([]byte(`{"a":1,"_exp":60,"_attachments":{"b":{"digest":"sha1-x","stub":true,"revpos":1}},"_x":[]}`))
	f.Add([]byte(`{"_\u0061":{},"_exp":"2030-01-31T12:00:00Z"}`))
	f.Add([]byte(`{"_attachments":{"b":{"data":"QQ==","content_type":"a\u0000b","length":1}}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		body, err := readReceived(text, time.Unix(1_800_000_000, 0))
		if err != nil {
			require.Contains(t, []int{400, 404}, asRefusal(err).code)
			return
		}
		doc, err := jsondoc.Parse(body.body)
		require.NoError(t, err)
		require.Empty(t, doc.Meta)
		if body.extra != nil {
			extra, err := jsondoc.Parse(body.extra)
			require.NoError(t, err)
			require.Equal(t, "{}", string(extra.Body))
			require.NotEmpty(t, extra.Meta)
		}
		for _, a := range body.attachments {
			require.True(t, a.name != "" && (a.digest != "" || a.data != nil))
		}
	})
}

// Whatever is proposed, each row has an answer, and the list is JSON.
func FuzzProposals(f *testing.F) {
	f.Add([]byte(`[["a","1-aa","",3],["b","`+versionAt(1, sourceX)+`; `+versionAt(0, sourceY)+`","1-aa"],[],null]`), byte(4))
	f.Fuzz(func(t *testing.T, body []byte, version byte) {
		r := &replication{version: protocol2 + protocol(version%3)}
		rows, err := r.proposals(body)
		if err != nil {
			require.Equal(t, 400, asRefusal(err).code)
			return
		}
		for i := range rows {
			require.Contains(t, []int{0, 400, 422}, rows[i].status)
			if rows[i].asked {
				require.NotEqual(t, rows[i].Rev.IsZero(), rows[i].Vector.Current.IsZero(), "exactly one of them")
				rows[i].answer(syncstore.ProposalAnswer{Status: syncstore.ProposalConflict, Rev: rows[i].Rev, Version: rows[i].Vector.Current})
			}
		}
		var list []any
		require.NoError(t, json.Unmarshal(appendStatuses(nil, rows, true), &list))
		require.LessOrEqual(t, len(list), len(rows))
	})
}

// Whatever a history is, what comes of it is one that the store takes.
func FuzzTreeHistory(f *testing.F) {
	f.Add("3-aa", "2-aa,1-aa")
	f.Add("300-aa", "299-bb, 3-cc,,1-dd")
	f.Add("2147483647-aa", "1-aa")
	f.Fuzz(func(t *testing.T, rev, history string) {
		revs, err := treeHistory(rev, history)
		if err != nil {
			require.ErrorIs(t, err, syncstore.ErrBadRevision)
			return
		}
		require.Equal(t, rev, revs[0].String())
		require.LessOrEqual(t, len(revs), max(syncstore.DefaultRevisions, 2+strings.Count(history, ",")))
		for i := range revs[1:] {
			require.Equal(t, revs[i].Gen-1, revs[i+1].Gen)
		}
	})
}
