package access

import (
	"context"
	"strings"
	"testing"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

func user(name string) syncstore.Writer { return attemptWriter{&AttemptUser{Name: name}} }

func TestPrivateDocumentsBelongToTheirCreator(t *testing.T) {
	t.Parallel()
	owned := func(creator string) *syncstore.Document {
		doc := document(`{}`)
		doc.Creator = creator
		return doc
	}
	mine := syncstore.Outcome{
		Channels: []string{"user:alice"}, Grants: []syncstore.Grant{{Principal: "alice", Channel: "user:alice"}},
	}
	for _, test := range []struct {
		name    string
		write   syncstore.Evaluation
		want    syncstore.Outcome
		refused string
	}{
		{"a new document", syncstore.Evaluation{Writer: user("alice"), New: document(`{}`)}, mine, ""},
		{"a change by its creator", syncstore.Evaluation{Writer: user("alice"), New: owned("alice"), Old: owned("alice")}, mine, ""},
		{"a change by another", syncstore.Evaluation{Writer: user("bob"), New: owned("alice"), Old: owned("alice")}, syncstore.Outcome{}, "belongs to another user"},
		{"a change of an administrator's", syncstore.Evaluation{Writer: user("bob"), New: owned(""), Old: owned("")}, syncstore.Outcome{}, "belongs to another user"},
		{"a guest", syncstore.Evaluation{Writer: user(""), New: document(`{}`)}, syncstore.Outcome{}, "sign in"},
		{"a guest on an administrator's", syncstore.Evaluation{Writer: user(""), New: owned(""), Old: owned("")}, syncstore.Outcome{}, "sign in"},
		{"an administrator on a user's", syncstore.Evaluation{New: owned("alice"), Old: owned("alice")}, mine, ""},
		{"an administrator's new one", syncstore.Evaluation{New: document(`{}`)}, syncstore.Outcome{}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			outcome, err := Private{}.Evaluate(context.Background(), test.write)
			require.Equal(t, test.want, outcome)
			if test.refused == "" {
				require.NoError(t, err)
				return
			}
			var rejection *RejectionError
			require.ErrorAs(t, err, &rejection)
			require.Equal(t, 403, rejection.Status)
			require.Contains(t, rejection.Reason, test.refused)
		})
	}
}

func TestPrivateChannelIsAChannelWhateverTheUsersName(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, name := range []string{"alice", "auth0|x", "a,b", "a%2Cb", "Ä ö", "a/b", "*", "!", strings.Repeat("ä", 119)} {
		channel := PrivateChannel(name)
		require.NoError(t, checkChannel(channel))
		require.False(t, seen[channel], channel)
		seen[channel] = true
	}
}

func TestChannelsPolicyReadsTheDocument(t *testing.T) {
	t.Parallel()
	for body, want := range map[string][]string{
		`{}`:                                  nil,
		`{"channels":"a"}`:                    {"a"},
		`{"channels":["a","b",null,1,["c"]]}`: {"a", "b"},
		`{"channels":null}`:                   nil,
		`{"channels":{"a":"b"}}`:              nil,
		`{"x":{"channels":"a"}}`:              nil,
		`{"channels":["\u00e9","!"]}`:         {"é", "!"},
	} {
		outcome, err := Channels{}.Evaluate(context.Background(), syncstore.Evaluation{Writer: user("alice"), New: document(body)})
		require.NoError(t, err, body)
		require.Equal(t, want, outcome.Channels, body)
		require.Empty(t, outcome.Grants, body)
	}
	for _, body := range []string{
		`{"channels":""}`, `{"channels":["a","b,c"]}`, `{"channels":"role:x"}`,
	} {
		_, err := Channels{}.Evaluate(context.Background(), syncstore.Evaluation{New: document(body)})
		var rejection *RejectionError
		require.ErrorAs(t, err, &rejection, body)
		require.Equal(t, 403, rejection.Status)
	}
}
