package rest

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLocalDocumentsAreWrittenReadAndDeleted(t *testing.T) {
	t.Parallel()
	site, db := feedSite(t)
	body := `{"_id":"_local/cp","last_seq":12345678901234567890,"history":[1.10]}`
	runExchanges(t, site, []exchange{
		{name: "none yet", path: "_local/cp", status: 404, want: []string{`{"error":"not_found","reason":"missing"}`}},
		{name: "new", method: "PUT", path: "_local/cp", body: body, status: 201, want: []string{`{"ok":true,"id":"_local/cp","rev":"0-1"}`}},
		{name: "read", path: "_local/cp", want: []string{`{"_id":"_local/cp","_rev":"0-1","last_seq":12345678901234567890,"history":[1.10]}`}},
		{name: "without its revision", method: "PUT", path: "_local/cp", body: `{}`, status: 409, want: []string{`"error":"conflict"`}},
		{name: "update", method: "PUT", path: "_local/cp", body: `{"_rev":"0-1","x":1}`, status: 201, want: []string{`"rev":"0-2"`}},
		{name: "revision in the URL", method: "PUT", path: "_local/cp?rev=0-2", body: `{}`, status: 201, want: []string{`"rev":"0-3"`}},
		{name: "revision in If-Match", method: "PUT", path: "_local/cp", header: map[string]string{"If-Match": `"0-3"`}, body: `{}`, status: 201, want: []string{`"rev":"0-4"`}},
		{name: "stale", method: "PUT", path: "_local/cp", body: `{"_rev":"0-3"}`, status: 409},
		{name: "empty body", path: "_local/cp", want: []string{`{"_id":"_local/cp","_rev":"0-4"}`}},
		{name: "delete without a revision", method: "DELETE", path: "_local/cp", status: 409},
		{name: "delete", method: "DELETE", path: "_local/cp?rev=0-4", want: []string{`{"ok":true,"id":"_local/cp","rev":"0-0"}`}},
		{name: "gone", path: "_local/cp", status: 404},
		{name: "delete what is gone", method: "DELETE", path: "_local/cp?rev=0-4", status: 404},
		{name: "again", method: "PUT", path: "_local/cp", body: body, status: 201, want: []string{`"rev":"0-1"`}},
		{name: "delete by PUT", method: "PUT", path: "_local/cp", body: `{"_rev":"0-1","_deleted":true}`, want: []string{`"rev":"0-0"`}},
		{name: "revision of what is not there", method: "PUT", path: "_local/new", body: `{"_rev":"0-1"}`, status: 409},
		{name: "escaped ID", method: "PUT", path: "_local%2Fa%2Fb", body: `{"_id":"_local/a/b"}`, status: 201, want: []string{`"id":"_local/a/b"`}},
		{name: "not replicated", path: "_changes", want: []string{"\"results\":[\n]"}},
		{name: "not listed", path: "_all_docs", want: []string{"\"rows\":[\n]"}},
	})
	require.Zero(t, db.Info().Seq)
}

func TestLocalDocumentsBelongToTheirOwner(t *testing.T) {
	t.Parallel()
	site, _ := feedSite(t)
	var exchanges []exchange
	for _, user := range []string{"alice", "bob", "admin", "guest"} {
		exchanges = append(exchanges,
			exchange{name: user + " sees nothing", user: user, path: "_local/cp", status: 404},
			exchange{name: user + " writes", user: user, method: "PUT", path: "_local/cp", body: `{"of":"` + user + `"}`, status: 201})
	}
	for _, user := range []string{"alice", "bob", "admin", "guest"} {
		exchanges = append(exchanges, exchange{name: user + " reads", user: user, path: "_local/cp", want: []string{`"of":"` + user + `"`}})
	}
	exchanges = append(exchanges, exchange{name: "nobody takes the guest's", user: ":guest2", path: "_local/cp", status: 404})
	runExchanges(t, site, exchanges)
}

// CouchDB and PouchDB's suite have it so: the document is taken, its attachments are not.
func TestLocalDocumentsKeepNoAttachments(t *testing.T) {
	t.Parallel()
	site, _ := feedSite(t)
	runExchanges(t, site, []exchange{
		{name: "write", method: "PUT", path: "_local/x", body: `{"a":1,"_attachments":{"a.txt":{"data":"YQ=="}}}`, status: 201},
		{name: "read", path: "_local/x?attachments=true", want: []string{`{"_id":"_local/x","_rev":"0-1","a":1}`}},
		{name: "attachment", path: "_local/x/a.txt", status: 400},
	})
}

func TestLocalDocumentsThatAreRefused(t *testing.T) {
	t.Parallel()
	site, _ := feedSite(t)
	attachments := []string{`"reason":"_local documents do not accept attachments."`}
	runExchanges(t, site, []exchange{
		{name: "attachment", path: "_local/x/a.txt", status: 400, want: attachments},
		{name: "attachment put", method: "PUT", path: "_local/x/a.txt", body: "x", status: 400, want: attachments},
		{name: "malformed", method: "PUT", path: "_local/x", body: `{"a":`, status: 400},
		{name: "no object", method: "PUT", path: "_local/x", body: `[]`, status: 400},
		{name: "no body", method: "PUT", path: "_local/x", status: 400},
		{name: "duplicate name", method: "PUT", path: "_local/x", body: `{"a":1,"a":2}`, status: 400},
		{name: "not UTF-8", method: "PUT", path: "_local/x", body: "{\"a\":\"\xff\"}", status: 400},
		{name: "unknown member", method: "PUT", path: "_local/x", body: `{"_x":1}`, status: 400, want: []string{"doc_validation"}},
		{name: "other ID", method: "PUT", path: "_local/x", body: `{"_id":"_local/y"}`, status: 400},
		{name: "ID that is no string", method: "PUT", path: "_local/x", body: `{"_id":1}`, status: 400},
		{name: "revision that is no string", method: "PUT", path: "_local/x", body: `{"_rev":1}`, status: 400},
		{name: "_deleted that is no boolean", method: "PUT", path: "_local/x", body: `{"_deleted":1}`, status: 400},
		{name: "revisions that differ", method: "PUT", path: "_local/x?rev=0-1", body: `{"_rev":"0-2"}`, status: 400},
		{name: "revision that does not parse", method: "PUT", path: "_local/x?rev=1-x", body: `{}`, status: 409},
		{name: "control character", method: "PUT", path: "_local/a%00", body: `{}`, status: 400},
		{name: "empty ID", method: "PUT", path: "_local/", body: `{}`, status: 400},
	})
}
