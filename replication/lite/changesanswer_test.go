package lite

import (
	"testing"

	"github.com/caddysync/caddy-sync/replication/blip"
	"github.com/stretchr/testify/require"
)

// Row 95 of reference/blip.md 8.1: what a client says that it has.
func TestAnswersToChanges(t *testing.T) {
	t.Parallel()
	for body, want := range map[string][][]string{
		``: nil, `null`: nil, ` [ ] `: {}, `[[]]`: {{}}, `[0,null,409,"x",{"a":[]},[]]`: {nil, nil, nil, nil, nil, {}},
		`[["1-a","2-b"],[null,"3-c",{"d":1}],[]]`: {{"1-a", "2-b"}, {"3-c"}, {}},
		`[[],[],[],[],[],[],["beyond"]]`:          {{}, {}, {}, {}, {}, {}},
	} {
		a, err := new(keyspace).parseAnswer(&blip.Response{Body: []byte(body)}, 6)
		require.NoError(t, err, body)
		require.ElementsMatch(t, want, a.known, body)
	}
	for _, body := range []string{`[`, `{}`, `[[]]x`, `[["\xff"]]`, `"x"`, ` null`} {
		_, err := new(keyspace).parseAnswer(&blip.Response{Body: []byte(body)}, 6)
		require.ErrorIs(t, err, errClient, body)
	}
	for history, want := range map[string]int{"": 50, "20": 20, "0": 0, "-1": 50, "x": 50, "100000": 1000} {
		a, err := new(keyspace).parseAnswer(&blip.Response{Properties: blip.Properties{{Name: "maxHistory", Value: history}}}, 6)
		require.NoError(t, err)
		require.Equal(t, want, a.history, history)
	}
}

func FuzzAnswerToChanges(f *testing.F) {
	f.Add(`[["1-a"],0,[]]`, "50")
	f.Fuzz(func(t *testing.T, body, history string) {
		q := &blip.Response{Properties: blip.Properties{{Name: "maxHistory", Value: history}}, Body: []byte(body)}
		a, err := new(keyspace).parseAnswer(q, 3)
		require.True(t, err != nil || len(a.known) <= 3 && a.history >= 0)
	})
}
