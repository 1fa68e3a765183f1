package lite

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/access"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

// treeRev makes a tree ID of a generation, of a digest as LiteCore has it.
func treeRev(gen int, letter string) string {
	return fmt.Sprintf("%d-%s", gen, strings.Repeat(letter, 40))
}

func parsed(t *testing.T, revs ...string) []syncstore.Rev {
	t.Helper()
	list := make([]syncstore.Rev, len(revs))
	for i, text := range revs {
		var err error
		list[i], err = syncstore.ParseRev(text)
		require.NoError(t, err)
	}
	return list
}

// replicated makes an edit of a revision with its ancestors, newest first.
func replicated(t *testing.T, id, body string, revs ...string) syncstore.Edit {
	t.Helper()
	return syncstore.Edit{ID: id, Body: []byte(body), History: parsed(t, revs...)}
}

// sourceX and sourceY name devices.
const (
	sourceX = "UI154sPAT+GNjAKK6RxxmA"
	sourceY = "b/9NKGcJTHew4JfFftuNPA"
)

// versionAt is a version that was made some seconds after a moment in the past.
func versionAt(seconds int, source string) string {
	return fmt.Sprintf("%x@%s", uint64(time.Date(2026, 1, 1, 0, 0, seconds, 0, time.UTC).UnixNano())&^0xffff, source)
}

func TestProposeChangesWantsWhatIsNew_row31(t *testing.T) {
	t.Parallel()
	c := newLoopback(t, nil).connect(protocol3)
	answer := c.must("proposeChanges", `[["a","`+treeRev(1, "a")+`","",104],["b","`+treeRev(1, "b")+`"],["c","`+treeRev(1, "c")+`",null]]`)
	require.Equal(t, "[]", string(answer.Body))
	require.Equal(t, "true", answer.Properties.Value("deltas"), "delta sync is on by default")
	require.Equal(t, "[]", string(c.must("proposeChanges", "[]").Body))
}

func TestProposeChangesSaysWhatBecomesOfEachRow_row32(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, func(p *Peer) { p.NoDeltas = true })
	l.write(
		replicated(t, "same", `{}`, treeRev(1, "a")), replicated(t, "child", `{}`, treeRev(1, "a")),
		replicated(t, "other", `{}`, treeRev(1, "a")), replicated(t, "last", `{}`, treeRev(1, "a")),
	)
	for _, version := range []protocol{protocol2, protocol3, protocol4} {
		c := l.connect(version)
		rows := `[["same","` + treeRev(1, "a") + `"],["child","` + treeRev(2, "b") + `","` + treeRev(1, "a") + `",3],` +
			`["other","` + treeRev(1, "b") + `"],["new","` + treeRev(1, "b") + `"],["last","` + treeRev(2, "b") + `",""],["newer","` + treeRev(1, "b") + `"]]`
		same := "304"
		if version == protocol4 {
			same = "409" // without a parent; see TestAnUpdatedDeviceIsSentWhatItsProposalWasRefusedFor
		}
		last := ",0,409"
		if version == protocol2 {
			last = "" // see TestACouchbaseLite2ThatKnowsNoParentIsJudgedByItsHistory
		}
		answer := c.must("proposeChanges", rows)
		require.Equal(t, "["+same+",0,409"+last+"]", string(answer.Body), "trailing zeros are left out")
		require.Empty(t, answer.Properties)
		if version == protocol2 {
			continue // it does not ask for revisions
		}
		answer = c.must("proposeChanges", rows, "conflictIncludesRev", "true")
		ours := `{"status":409,"rev":"` + treeRev(1, "a") + `"}`
		require.Equal(t, "["+same+",0,"+ours+",0,"+ours+"]", string(answer.Body), "a proposed tree ID is answered by a tree ID")
		c.close()
	}
}

func TestProposeChangesInVersions_row34(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, nil)
	c := l.connect(protocol4)
	first, second := versionAt(1, sourceX), versionAt(2, sourceX)
	c.must("rev", `{"v":1}`, "id", "doc", "rev", first)
	propose := func(rows string) string {
		return string(c.must("proposeChanges", "["+rows+"]", "conflictIncludesRev", "1").Body)
	}
	conflict := `[{"status":409,"rev":"` + first + `"}]`
	require.Equal(t, "[304]", propose(`["doc","`+first+`","",3]`))
	require.Equal(t, "[]", propose(`["doc","`+second+`","`+first+`",3]`), "its parent is ours")
	require.Equal(t, "[]", propose(`["doc","`+second+`"]`), "ours has the same source and is older")
	require.Equal(t, "[]", propose(`["doc","`+versionAt(3, sourceY)+`; `+first+`",""]`), "its vector covers ours")
	require.Equal(t, "[]", propose(`["doc","`+versionAt(4, sourceY)+`, `+versionAt(3, sourceY)+`, `+first+`;",""]`), "it merged ours")
	require.Equal(t, "[]", propose(`["doc","`+versionAt(3, sourceY)+`","`+first+`; `+versionAt(0, sourceY)+`"]`), "a parent with its vector")
	require.Equal(t, conflict, propose(`["doc","`+versionAt(3, sourceY)+`","`+versionAt(2, sourceY)+`",3]`))
	require.Equal(t, "[]", propose(`["doc","`+versionAt(3, sourceY)+`","",3]`), "its history will tell")
	require.Equal(t, "[]", propose(`["none","`+versionAt(3, sourceY)+`","`+versionAt(2, sourceY)+`"]`))
	require.Equal(t, "[422,422]", propose(`["doc","`+first+`,"],["doc","zz@`+sourceX+`"],["none","`+first+`"]`))
	require.Equal(t, "[422]", propose(`["doc","`+second+`","1@x"]`))
}

// Couchbase Lite 2 whose push of a document was not answered goes on from what it does not know to be here.
func TestACouchbaseLite2ThatKnowsOnlyWhatIsOlderThanOursIsJudgedByItsHistory(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, nil)
	c := l.connect(protocol2)
	c.push("a", tree(2, "a"), `{"v":2}`, "history", tree(1, "a"))
	propose := func(rev, parent string) string {
		return string(c.must("proposeChanges", `[["a","`+rev+`","`+parent+`"]]`).Body)
	}
	require.Equal(t, "[409]", propose(tree(2, "b"), ""), "not younger than ours")
	require.Equal(t, "[409]", propose(tree(2, "b"), tree(1, "a")), "not younger than ours")
	require.Equal(t, "[304]", propose(tree(2, "a"), ""))
	require.Equal(t, "[]", propose(tree(4, "a"), ""))
	require.Equal(t, "[]", propose(tree(4, "a"), tree(1, "a")))

	c.refused(409, "rev", `{}`, "id", "a", "rev", tree(4, "b"), "history", tree(3, "b")+","+tree(2, "b"), "sequence", "1", "noconflicts", "true")
	require.JSONEq(t, `{"v":2}`, string(l.get("a").Body))
	c.must("rev", `{"v":4}`, "id", "a", "rev", tree(4, "a"), "history", tree(3, "a")+","+tree(2, "a"), "sequence", "1", "noconflicts", "true")
	require.JSONEq(t, `{"v":4}`, string(l.get("a").Body))
}

// What a client may not see, it is not told of by how its proposal is answered.
func TestCouchbaseLite2IsNotAskedForRevisionsOfWhatItMayNotSee(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, func(p *Peer) { p.Viewer = &syncstore.Viewer{Name: "alice"} })
	l.coll().SetPolicy(syncstore.Policy{Evaluator: access.Channels{}})
	l.write(replicated(t, "a", `{"channels":["bob"]}`, treeRev(1, "a")))
	require.Equal(t, "[409]", string(l.connect(protocol2).must("proposeChanges", `[["a","`+treeRev(2, "b")+`",""]]`).Body))
}

// A device that was updated to version 4 knows what it had before by tree IDs. Where it meets the server by another
// address than before it names no parent.
func TestProposalsOfUpdatedDevices(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, nil)
	l.connect(protocol3).push("a", tree(2, "a"), `{"v":2}`, "history", tree(1, "a"))
	c := l.connect(protocol4)
	own := versionAt(1, sourceX)
	propose := func(rev, parent string) string {
		return string(c.must("proposeChanges", `[["a","`+rev+`","`+parent+`"]]`, "conflictIncludesRev", "true").Body)
	}
	require.Equal(t, `[{"status":409,"rev":"`+tree(2, "a")+`"}]`, propose(own, tree(1, "a")), "it looks whether it goes on from there")
	require.Equal(t, "[]", propose(own, tree(2, "a")), "and proposes it again")
	require.Equal(t, "[]", propose(own, ""), "its history will tell")
	require.Equal(t, "[304]", propose(tree(2, "a"), tree(1, "a")))

	c.refused(409, "rev", `{}`, "id", "a", "rev", own, "sequence", "1", "noconflicts", "1")
	c.refused(409, "rev", `{}`, "id", "a", "rev", own, "history", tree(2, "b")+","+tree(1, "a"), "sequence", "1", "noconflicts", "1")
	c.must("rev", `{"v":3}`, "id", "a", "rev", own, "history", tree(3, "b")+","+tree(2, "a"), "sequence", "1", "noconflicts", "1")
	require.JSONEq(t, `{"v":3}`, string(l.get("a").Body))
}

// It waits for the revision that is here, though it may have that by its tree ID.
func TestAnUpdatedDeviceIsSentWhatItsProposalWasRefusedFor(t *testing.T) {
	t.Parallel()
	ours := `{"status":409,"rev":"` + tree(2, "a") + `"}`
	for _, test := range []struct{ rev, parent, answer, profile string }{
		{tree(3, "b"), "", ours, "rev"},
		{tree(3, "b"), tree(1, "a"), ours, "rev"},
		{tree(3, "b"), tree(2, "a"), "", "norev"},
		{tree(2, "a"), "", "409", "rev"}, // as it is, from another address
		{tree(2, "a"), tree(1, "a"), "304", "norev"},
	} {
		l := newLoopback(t, nil)
		l.connect(protocol3).push("a", tree(2, "a"), `{}`, "history", tree(1, "a"))
		c := l.connect(protocol4)
		q, _ := c.followed()
		got := c.must("proposeChanges", `[["a","`+test.rev+`","`+test.parent+`"]]`, "conflictIncludesRev", "true")
		require.Equal(t, "["+test.answer+"]", string(got.Body), test)
		answer(q, `[["`+test.rev+`","`+tree(2, "a")+`"]]`)
		require.Equal(t, test.profile, c.brought().Profile(), test)
	}
}

func TestProposeChangesRefusesRowsNotLists(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, nil)
	c := l.connect(protocol3)
	rows := `[[],["a"],[1,2],"a",null,{},["","1-aa"],["a",""],["a","1-a b"],["a","0-aa"],["a","x"],["a","1-aa",7],["a","1-aa","x"],` +
		`["a","` + versionAt(1, sourceX) + `"],["a","1-aa","` + versionAt(1, sourceX) + `"],["a","1-aa"]]`
	require.Equal(t, "["+strings.TrimSuffix(strings.Repeat("400,", 15), ",")+"]", string(c.must("proposeChanges", rows).Body))
	c.refused(400, "proposeChanges", `{}`)
	c.refused(400, "proposeChanges", `[["a","1-aa"]`)
	require.Equal(t, "[]", string(c.must("proposeChanges", `null`).Body))
}

// Whoever may only read goes on pulling: by a refusal of the whole message a client would stop.
func TestProposeChangesOfAReader_row41(t *testing.T) {
	t.Parallel()
	c := newLoopback(t, func(p *Peer) { p.ReadOnly = true }).connect(protocol3)
	require.Equal(t, "[403,403]", string(c.must("proposeChanges", `[["a","1-aa"],["b","1-aa"]]`).Body))
	c.refused(403, "rev", `{}`, "id", "a", "rev", treeRev(1, "a"))
}

func TestProposeChangesThatWantNoAnswer(t *testing.T) {
	t.Parallel()
	c := newLoopback(t, nil).connect(protocol3)
	m := message("proposeChanges", "[]")
	require.NoError(t, c.conn.Send(c.ctx, m))
	require.Equal(t, "[]", string(c.must("proposeChanges", "[]").Body))
}

func TestDesignDocumentsOfUsersAreTakenAndThrownAway(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, func(p *Peer) { p.Viewer = &syncstore.Viewer{Name: "alice"} })
	c := l.connect(protocol3)
	require.Equal(t, "[]", string(c.must("proposeChanges", `[["_design/x","`+treeRev(1, "a")+`"]]`).Body))
	c.must("rev", `{"views":{}}`, "id", "_design/x", "rev", treeRev(1, "a"))
	_, err := l.coll().Get(l.ctx, "_design/x", syncstore.GetOptions{})
	require.ErrorIs(t, err, syncstore.ErrNotFound)
	l.setPeer(func(p *Peer) { p.Viewer = nil })
	admin := l.connect(protocol3)
	admin.must("rev", `{"views":{}}`, "id", "_design/x", "rev", treeRev(1, "a"))
	_, err = l.coll().Get(l.ctx, "_design/x", syncstore.GetOptions{})
	require.NoError(t, err)
}

func TestChangesFromAClientAreRefused_row33(t *testing.T) {
	t.Parallel()
	c := newLoopback(t, nil).connect(protocol2)
	refusal := c.refused(409, "changes", `[[1,"a","1-aa"]]`)
	require.Equal(t, "Use 'proposeChanges' instead", refusal)
	require.Empty(t, c.must("changes", `[]`).Body)
	require.Empty(t, c.must("changes", ``).Body)
}

func TestNoRevFromAClient_row55(t *testing.T) {
	t.Parallel()
	c := newLoopback(t, nil).connect(protocol3)
	c.must("norev", "", "id", "a", "rev", "1-aa", "error", "404")
}

// A row takes many times the memory of its text.
func TestAListOfTooManyProposalsIsRefused(t *testing.T) {
	t.Parallel()
	c := newLoopback(t, nil).connect(protocol4)
	row := `["a","` + treeRev(1, "a") + `"],`
	c.must("proposeChanges", "["+strings.TrimSuffix(strings.Repeat(row, maxProposals), ",")+"]")
	c.refused(413, "proposeChanges", "["+strings.Repeat("[],", maxProposals)+"[]]")
	c.close()
}

func TestAConflictNamesNoRevisionThatTheClientCannotHold(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, nil)
	l.write(replicated(t, "doc", `{}`, "1-abc"))
	c := l.connect(protocol3)
	rows := `[["doc","` + treeRev(1, "a") + `"]]`
	require.Equal(t, "[409]", string(c.must("proposeChanges", rows, "conflictIncludesRev", "true").Body))
	c.close()
}

func TestPushesAreValidatedByDesignDocuments(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, func(p *Peer) { p.Viewer = &syncstore.Viewer{Name: "alice"} })
	l.coll().SetPolicy(syncstore.Policy{Version: "1", Validator: access.NewValidations(nil, access.Options{}).For("db", nil)})
	function := `function (newDoc, oldDoc, user) {
		if (newDoc.owner !== user.name) throw ({forbidden: 'write your own name'})
		if (newDoc.sign) throw ({unauthorized: 'sign in'})
		if (newDoc.bug) x.y.z()
	}`
	body, err := json.Marshal(map[string]string{"validate_doc_update": function})
	require.NoError(t, err)
	require.NoError(t, l.coll().Write(l.ctx, []syncstore.Edit{{ID: "_design/v", Body: body}}, syncstore.WriteOptions{})[0].Err)
	c := l.connect(protocol3)
	require.Equal(t, "write your own name", c.refused(403, "rev", `{"owner":"bob"}`, "id", "a", "rev", treeRev(1, "a")))
	require.Equal(t, "sign in", c.refused(403, "rev", `{"owner":"alice","sign":1}`, "id", "a", "rev", treeRev(1, "a")))
	c.must("rev", `{"owner":"alice"}`, "id", "a", "rev", treeRev(1, "a"))
	c.refused(503, "rev", `{"owner":"alice","bug":1}`, "id", "b", "rev", treeRev(1, "a"))
}
