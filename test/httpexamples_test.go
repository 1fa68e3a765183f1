package test

// httpExample is a request of the HTTP reference (docs/http-reference.md).
type httpExample struct {
	// op is the operation as apidoc names it.
	op string
	// as is who asks: a user of the development provider, "admin" for the administrators'
	// site, "cookie" for alice's session, or "" for nobody, on the public site.
	as string
	// request is the method and the path, and after a newline the body. {name} stands for
	// what an earlier answer had (keep).
	request string
	// header is one more header, "Name: value".
	header string
	// keep remembers a member of the answer under a name.
	keep map[string]string
	// until is what the answer has some time: it is asked for until then.
	until string
	// brief leaves the answer's body out, and what depends on it.
	brief bool
	// status is that of the answer; 0 is any below 400.
	status int
}

// httpExamples are sent in order to a server with the database notes. Each operation of
// docs/api.yaml has one.
var httpExamples = []httpExample{
	{op: "GET /", request: "GET /"},
	{op: "GET /_up", request: "GET /_up"},
	{op: "GET /_uuids", request: "GET /_uuids?count=1"},

	{op: "PUT /{keyspace}/{docid}", as: "alice", request: "PUT /notes/milk\n" + `{"text":"Buy milk","done":false}`, keep: map[string]string{"milk": "rev"}},
	{op: "GET /{keyspace}/{docid}", as: "alice", request: "GET /notes/milk"},
	{op: "POST /{keyspace}", as: "alice", request: "POST /notes\n" + `{"_id":"bread","text":"Buy bread","done":true}`, keep: map[string]string{"bread": "rev"}},
	{op: "COPY /{keyspace}/{docid}", as: "alice", request: "COPY /notes/bread", header: "Destination: cake", keep: map[string]string{"cake": "rev"}},
	{op: "DELETE /{keyspace}/{docid}", as: "alice", request: "DELETE /notes/cake?rev={cake}"},
	{op: "PUT /{keyspace}/{docid}/{attachment}", as: "alice", request: "PUT /notes/milk/list.txt?rev={milk}\nsemi-skimmed", header: "Content-Type: text/plain", keep: map[string]string{"milk": "rev"}},
	{op: "GET /{keyspace}/{docid}/{attachment}", as: "alice", request: "GET /notes/milk/list.txt"},
	{op: "DELETE /{keyspace}/{docid}/{attachment}", as: "alice", request: "DELETE /notes/milk/list.txt?rev={milk}", keep: map[string]string{"milk": "rev"}},
	{op: "PUT /{keyspace}/_local/{id}", as: "alice", request: "PUT /notes/_local/settings\n" + `{"sort":"by date"}`},
	{op: "GET /{keyspace}/_local/{id}", as: "alice", request: "GET /notes/_local/settings"},
	{op: "GET /{keyspace}/_local_docs", as: "alice", request: "GET /notes/_local_docs?include_docs=true"},
	{op: "POST /{keyspace}/_local_docs", as: "alice", request: "POST /notes/_local_docs\n" + `{"keys":["_local/settings"]}`},
	{op: "DELETE /{keyspace}/_local/{id}", as: "alice", request: "DELETE /notes/_local/settings?rev=0-1"},

	{op: "GET /{keyspace}", as: "alice", request: "GET /notes"},
	{op: "PUT /{keyspace}", as: "admin", request: "PUT /projects"},
	{op: "GET /_all_dbs", as: "admin", request: "GET /_all_dbs"},
	{op: "GET /_dbs_info", as: "admin", request: "GET /_dbs_info"},
	{op: "POST /_dbs_info", as: "admin", request: "POST /_dbs_info\n" + `{"keys":["projects"]}`},
	{op: "DELETE /{keyspace}", as: "admin", request: "DELETE /projects"},

	{op: "GET /{keyspace}/_all_docs", as: "alice", request: "GET /notes/_all_docs?include_docs=true"},
	{op: "POST /{keyspace}/_all_docs", as: "alice", request: "POST /notes/_all_docs\n" + `{"keys":["milk","butter"]}`},
	{op: "POST /{keyspace}/_all_docs/queries", as: "alice", request: "POST /notes/_all_docs/queries\n" + `{"queries":[{"key":"milk"},{"startkey":"n"}]}`},
	{op: "POST /{keyspace}/_bulk_docs", as: "alice", request: "POST /notes/_bulk_docs\n" + `{"docs":[{"_id":"eggs","text":"Buy eggs","done":false},{"_id":"milk","text":"without a revision"}]}`},
	{op: "POST /{keyspace}/_bulk_get", as: "alice", request: "POST /notes/_bulk_get\n" + `{"docs":[{"id":"eggs"},{"id":"butter"}]}`},
	{op: "POST /{keyspace}/_revs_diff", as: "alice", request: "POST /notes/_revs_diff\n" + `{"milk":["{milk}","9-00000000000000000000000000000000"]}`},
	{op: "POST /{keyspace}/_missing_revs", as: "alice", request: "POST /notes/_missing_revs\n" + `{"milk":["{milk}","9-00000000000000000000000000000000"]}`},
	{op: "POST /{keyspace}/_ensure_full_commit", as: "alice", request: "POST /notes/_ensure_full_commit"},
	{op: "GET /{keyspace}/_changes", as: "alice", request: "GET /notes/_changes?since=0&limit=2"},
	{op: "POST /{keyspace}/_changes", as: "alice", request: "POST /notes/_changes?filter=_selector&include_docs=true\n" + `{"selector":{"done":true}}`},
	{op: "GET /{db}/_blipsync", as: "alice", request: "GET /notes/_blipsync", status: 426},

	{op: "POST /{keyspace}/_index", as: "admin", request: "POST /notes/_index\n" + `{"index":{"fields":["done"]},"ddoc":"by","name":"done"}`},
	{op: "GET /{keyspace}/_index", as: "admin", request: "GET /notes/_index"},
	{op: "POST /{keyspace}/_find", as: "alice", request: "POST /notes/_find\n" + `{"selector":{"done":false},"fields":["_id","text"]}`},
	{op: "POST /{keyspace}/_explain", as: "admin", request: "POST /notes/_explain\n" + `{"selector":{"done":false}}`},
	{op: "DELETE /{keyspace}/_index/{ddoc}/json/{index}", as: "admin", request: "DELETE /notes/_index/by/json/done"},
	{op: "POST /{keyspace}/_index/_bulk_delete", as: "admin", request: "POST /notes/_index/_bulk_delete\n" + `{"docids":["_design/by"]}`},
	{op: "", as: "admin", request: "PUT /notes/_design/app\n" + `{"channels":["!"],"views":{"open":{"map":"function (doc) { if (!doc.done) emit(doc.text, 1) }"}}}`},
	{op: "GET /{keyspace}/_design/{ddoc}/_view/{view}", as: "admin", request: "GET /notes/_design/app/_view/open"},
	{op: "POST /{keyspace}/_design/{ddoc}/_view/{view}", as: "admin", request: "POST /notes/_design/app/_view/open\n" + `{"keys":["Buy eggs"]}`},
	{op: "POST /{keyspace}/_design/{ddoc}/_view/{view}/queries", as: "admin", request: "POST /notes/_design/app/_view/open/queries\n" + `{"queries":[{"key":"Buy eggs"},{"limit":0}]}`},
	{op: "GET /{keyspace}/_design/{ddoc}/_info", as: "admin", request: "GET /notes/_design/app/_info"},
	{op: "GET /{keyspace}/_design_docs", as: "admin", request: "GET /notes/_design_docs"},
	{op: "POST /{keyspace}/_design_docs", as: "admin", request: "POST /notes/_design_docs\n" + `{"keys":["_design/app"]}`},
	{op: "POST /{keyspace}/_design_docs/queries", as: "admin", request: "POST /notes/_design_docs/queries\n" + `{"queries":[{"key":"_design/app"}]}`},
	{op: "POST /{keyspace}/_view_cleanup", as: "admin", request: "POST /notes/_view_cleanup"},
	{op: "POST /{keyspace}/_compact/{ddoc}", as: "admin", request: "POST /notes/_compact/app"},

	{op: "GET /_session", as: "alice", request: "GET /_session"},
	{op: "POST /_session", as: "alice", request: "POST /_session"},
	{op: "GET /{db}/_session", request: "GET /notes/_session"},
	{op: "POST /{db}/_session", as: "alice", request: "POST /notes/_session"},
	{op: "GET /_session/{handle}", as: "cookie", request: "GET /_session/all", keep: map[string]string{"handle": "handle"}},
	{op: "DELETE /_session/{handle}", as: "cookie", request: "DELETE /_session/{handle}"},
	{op: "GET /{db}/_session/{handle}", as: "cookie", request: "GET /notes/_session/all"},
	{op: "DELETE /{db}/_session/{handle}", as: "cookie", request: "DELETE /notes/_session/all"},
	{op: "DELETE /_session", as: "cookie", request: "DELETE /_session"},
	{op: "DELETE /{db}/_session", as: "cookie", request: "DELETE /notes/_session"},

	{op: "GET /{db}/_oidc", request: "GET /notes/_oidc?return_to=/"},
	{op: "GET /{db}/_oidc_challenge", request: "GET /notes/_oidc_challenge", status: 401},
	{op: "GET /{db}/_oidc_callback", request: "GET /notes/_oidc_callback?error=access_denied&state=unknown", status: 401},
	{op: "POST /{db}/_oidc_callback", request: "POST /notes/_oidc_callback\ncode=unknown&state=unknown", header: "Content-Type: application/x-www-form-urlencoded", status: 400},
	{op: "GET /{db}/_oidc_refresh", request: "GET /notes/_oidc_refresh?refresh_token=unknown", status: 401},
	{op: "POST /{db}/_oidc_refresh", request: "POST /notes/_oidc_refresh\n" + `{"refresh_token":"unknown"}`, status: 401},
	{op: "GET /{db}/_oidc_logout", request: "GET /notes/_oidc_logout"},
	{op: "POST /{db}/_oidc_logout", request: "POST /notes/_oidc_logout"},
	{op: "POST /{db}/_oidc_backchannel_logout", request: "POST /notes/_oidc_backchannel_logout\nlogout_token=unknown", header: "Content-Type: application/x-www-form-urlencoded", status: 400},

	{op: "POST /{db}/_user/", as: "admin", request: "POST /notes/_user/\n" + `{"name":"carol","password":"correct horse","admin_channels":["news"]}`},
	{op: "GET /{db}/_user/", as: "admin", request: "GET /notes/_user/"},
	{op: "PUT /{db}/_user/{user}", as: "admin", request: "PUT /notes/_user/carol\n" + `{"email":"carol@example.com"}`},
	{op: "GET /{db}/_user/{user}", as: "admin", request: "GET /notes/_user/carol"},
	{op: "GET /{db}/_user/{user}/_session", as: "admin", request: "GET /notes/_user/carol/_session"},
	{op: "", as: "admin", request: "POST /notes/_session\n" + `{"name":"carol"}`, keep: map[string]string{"session": "session_id"}},
	{op: "DELETE /{db}/_user/{user}/_session/{session}", as: "admin", request: "DELETE /notes/_user/carol/_session/{session}"},
	{op: "", as: "admin", request: "POST /notes/_session\n" + `{"name":"carol"}`},
	{op: "DELETE /{db}/_user/{user}/_session", as: "admin", request: "DELETE /notes/_user/carol/_session"},
	{op: "POST /{db}/_user/{user}/_identity", as: "admin", request: "POST /notes/_user/carol/_identity\n" + `{"issuer":"{issuer}","subject":"carol"}`},
	{op: "GET /{db}/_user/{user}/_identity", as: "admin", request: "GET /notes/_user/carol/_identity"},
	{op: "DELETE /{db}/_user/{user}/_identity", as: "admin", request: "DELETE /notes/_user/carol/_identity\n" + `{"issuer":"{issuer}","subject":"carol"}`},
	{op: "GET /{db}/_user/{user}/_all_channels", as: "admin", request: "GET /notes/_user/carol/_all_channels"},
	{op: "", as: "admin", request: "PUT /notes/_user/carol\n" + `{"admin_channels":[]}`},
	{op: "GET /{db}/_user/{user}/_access_history", as: "admin", request: "GET /notes/_user/carol/_access_history"},
	{op: "POST /{db}/_user/{user}/_access_history/compact", as: "admin", request: "POST /notes/_user/carol/_access_history/compact\n" + `{"channels":{"_default":{"_default":["news"]}}}`},
	{op: "DELETE /{db}/_user/{user}", as: "admin", request: "DELETE /notes/_user/carol"},
	{op: "POST /{db}/_role/", as: "admin", request: "POST /notes/_role/\n" + `{"name":"staff","admin_channels":["internal"]}`},
	{op: "GET /{db}/_role/", as: "admin", request: "GET /notes/_role/"},
	{op: "PUT /{db}/_role/{role}", as: "admin", request: "PUT /notes/_role/staff\n" + `{"admin_channels":["internal","news"]}`},
	{op: "GET /{db}/_role/{role}", as: "admin", request: "GET /notes/_role/staff"},
	{op: "GET /{db}/_role/{role}/_all_channels", as: "admin", request: "GET /notes/_role/staff/_all_channels"},
	{op: "DELETE /{db}/_role/{role}", as: "admin", request: "DELETE /notes/_role/staff"},

	{op: "POST /_auth/explain", as: "admin", request: "POST /_auth/explain\n" + `{"token":"not.a.token","database":"notes"}`},
	{op: "POST /{keyspace}/_sync", as: "admin", request: "POST /notes/_sync\n" + `{"doc":{"channels":["news"]},"userCtx":{"name":"alice"}}`},
	{op: "GET /{keyspace}/_config/sync", as: "admin", request: "GET /notes/_config/sync"},
	{op: "POST /{keyspace}/_resync", as: "admin", request: "POST /notes/_resync"},
	{op: "GET /{keyspace}/_resync", as: "admin", request: "GET /notes/_resync", until: `"status":"completed"`},

	{op: "GET /_status", as: "admin", request: "GET /_status"},
	{op: "GET /_stats", as: "admin", request: "GET /_stats"},
	{op: "POST /_backup", as: "admin", request: "POST /_backup"},
	{op: "GET /_backup", as: "admin", request: "GET /_backup", brief: true},
	{op: "GET /_active_tasks", as: "admin", request: "GET /_active_tasks"},
	{op: "GET /{db}/_config", as: "admin", request: "GET /notes/_config"},
	{op: "GET /{keyspace}/_raw/{docid}", as: "admin", request: "GET /notes/_raw/eggs"},
	{op: "GET /{keyspace}/_readers/{docid}", as: "admin", request: "GET /notes/_readers/eggs"},
	{op: "GET /{db}/_connections", as: "admin", request: "GET /notes/_connections"},
	{op: "GET /_console", as: "admin", request: "GET /_console"},
	{op: "GET /_console/{file}", as: "admin", request: "GET /_console/icon.svg", brief: true},
	{op: "GET /{keyspace}/_revtree/{docid}", as: "admin", request: "GET /notes/_revtree/milk"},
	{op: "GET /{db}/_security", as: "admin", request: "GET /notes/_security"},
	{op: "PUT /{db}/_security", as: "admin", request: "PUT /notes/_security\n" + `{"admins":{"names":["bob"]}}`, status: 501},
	{op: "GET /{db}/_revs_limit", as: "admin", request: "GET /notes/_revs_limit"},
	{op: "PUT /{db}/_revs_limit", as: "admin", request: "PUT /notes/_revs_limit\n500", status: 501},
	{op: "GET /{db}/_purged_infos_limit", as: "admin", request: "GET /notes/_purged_infos_limit"},
	{op: "PUT /{db}/_purged_infos_limit", as: "admin", request: "PUT /notes/_purged_infos_limit\n500", status: 501},
	{op: "POST /{keyspace}/_purge", as: "admin", request: "POST /notes/_purge\n" + `{"eggs":["*"]}`},
	{op: "POST /{db}/_compact", as: "admin", request: "POST /notes/_compact"},
	{op: "POST /_replicate", as: "admin", request: "POST /_replicate\n" + `{"source":"{admin}/notes","target":"backup","create_target":true}`},
	{op: "GET /_scheduler/jobs", as: "admin", request: "GET /_scheduler/jobs"},
	{op: "GET /{db}/_replicationStatus/", as: "admin", request: "GET /backup/_replicationStatus/"},
	{op: "GET /{db}/_replicationStatus/{replication}", as: "admin", request: "GET /notes/_replicationStatus/office", status: 404},
	{op: "POST /{db}/_offline", as: "admin", request: "POST /notes/_offline"},
	{op: "POST /{db}/_online", as: "admin", request: "POST /notes/_online"},
}
