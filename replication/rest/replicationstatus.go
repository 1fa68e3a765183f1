package rest

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/caddysync/caddy-sync/replication/peer"
	"github.com/caddysync/caddy-sync/syncstore"
)

// replications are those of the site's databases.
func (h *Handler) replications() []peer.Status {
	list := []peer.Status{}
	for _, s := range h.Replications.List() {
		if _, ours := h.mountedKeyspace(s.Keyspace); ours {
			s.Seq = h.sourceSeq(s.Keyspace, s.Direction, s.Seq)
			list = append(list, s)
		}
	}
	return list
}

// sourceSeq is a sequence of a replication's source as the source's own feed has it. What is
// pushed is read in the store, which counts otherwise than clients do.
func (h *Handler) sourceSeq(keyspace string, d peer.Direction, seq json.RawMessage) json.RawMessage {
	if d != peer.Push {
		return seq
	}
	db, err := h.Store.Database(databaseOf(keyspace))
	if err != nil {
		return seq
	}
	at, err := syncstore.ParseCursor(strings.Trim(string(seq), `"`))
	if err != nil {
		return seq
	}
	info := db.Info()
	if info.FirstSeq == 0 {
		return seq
	}
	seqs := sequencesOf(&info)
	return seqs.appendJSON(nil, at)
}

// sourceSeqs are sessions with such sequences.
func (h *Handler) sourceSeqs(keyspace string, d peer.Direction, sessions []peer.SessionRecord) []peer.SessionRecord {
	shown := slices.Clone(sessions)
	for i := range shown {
		s := &shown[i]
		for _, seq := range []*json.RawMessage{&s.StartLastSeq, &s.EndLastSeq, &s.RecordedSeq} {
			*seq = h.sourceSeq(keyspace, d, *seq)
		}
	}
	return shown
}

// running reports whether a replication has not ended.
func running(s *peer.Status) bool {
	return s.State != peer.Completed && s.State != peer.Failed && s.State != peer.Stopped
}

// replicationTask is a replication in _active_tasks, with CouchDB's members.
type replicationTask struct {
	Type            string          `json:"type"`
	Database        string          `json:"database"`
	ID              string          `json:"replication_id"`
	Name            string          `json:"doc_id,omitempty"`
	Source          string          `json:"source"`
	Target          string          `json:"target"`
	Continuous      bool            `json:"continuous"`
	Read            uint64          `json:"docs_read"`
	Written         uint64          `json:"docs_written"`
	Failures        uint64          `json:"doc_write_failures"`
	Checked         uint64          `json:"revisions_checked"`
	Missing         uint64          `json:"missing_revisions_found"`
	CheckpointedSeq json.RawMessage `json:"checkpointed_source_seq,omitempty"`
	StartedOn       int64           `json:"started_on"`
	UpdatedOn       int64           `json:"updated_on"`
}

func (h *Handler) replicationTasks() []any {
	var tasks []any
	for _, s := range h.replications() {
		if !running(&s) {
			continue
		}
		tasks = append(tasks, replicationTask{
			Type: "replication", Database: s.Keyspace, ID: taskID(&s), Name: s.Name, Source: s.Source, Target: s.Target, Continuous: s.Continuous,
			Read: s.Read, Written: s.Written, Failures: s.Failures, Checked: s.Checked, Missing: s.Missing, CheckpointedSeq: s.Seq,
			StartedOn: s.Started.Unix(), UpdatedOn: s.Updated.Unix(),
		})
	}
	return tasks
}

func taskID(s *peer.Status) string {
	if s.Continuous {
		return s.ID + continuousSuffix
	}
	return s.ID
}

// replicationStatus is a replication as Sync Gateway tells of it.
type replicationStatus struct {
	// ID is the name in the configuration, or what _replicate answered.
	ID        string `json:"replication_id"`
	State     string `json:"status"`
	Direction string `json:"direction"`
	Source    string `json:"source"`
	Target    string `json:"target"`
	// Continuous, and what it is limited to.
	Continuous bool     `json:"continuous"`
	Channels   []string `json:"channels,omitempty"`
	// DocIDs is how many documents it is limited to, if it is.
	DocIDs   int             `json:"doc_ids,omitempty"`
	Checked  uint64          `json:"revisions_checked"`
	Missing  uint64          `json:"missing_revisions_found"`
	Read     uint64          `json:"docs_read"`
	Written  uint64          `json:"docs_written"`
	Failures uint64          `json:"doc_write_failures"`
	Left     int             `json:"revisions_left_behind"`
	PullSeq  json.RawMessage `json:"last_seq_pull,omitempty"`
	PushSeq  json.RawMessage `json:"last_seq_push,omitempty"`
	Attempts int             `json:"failures_in_a_row,omitempty"`
	Error    string          `json:"error_message,omitempty"`
	Next     string          `json:"next_attempt,omitempty"`
	Started  string          `json:"start_time"`
	Updated  string          `json:"updated_time"`
}

func statusAnswer(s *peer.Status) replicationStatus {
	a := replicationStatus{
		ID: s.Name, State: gatewayState(s.State), Direction: string(s.Direction), Source: s.Source, Target: s.Target, Continuous: s.Continuous,
		Channels: s.Channels, DocIDs: len(s.DocIDs), Checked: s.Checked, Missing: s.Missing, Read: s.Read, Written: s.Written, Failures: s.Failures, Left: s.LeftBehind,
		Attempts: s.Attempts, Error: s.Error, Started: s.Started.UTC().Format(time.RFC3339), Updated: s.Updated.UTC().Format(time.RFC3339),
	}
	if a.ID == "" {
		a.ID = taskID(s)
	}
	if s.Direction == peer.Pull {
		a.PullSeq = s.Seq
	} else {
		a.PushSeq = s.Seq
	}
	if s.State == peer.Retrying {
		a.Next = s.Next.UTC().Format(time.RFC3339)
	}
	return a
}

// gatewayState is Sync Gateway's word for a state.
func gatewayState(s peer.State) string {
	switch s {
	case peer.Starting:
		return "starting"
	case peer.Running, peer.Idle:
		return "running"
	case peer.Retrying:
		return "reconnecting"
	case peer.Failed:
		return "error"
	}
	return "stopped"
}

// replicationStatuses answers GET /{db}/_replicationStatus/: the replications of the database,
// or the one that the path names.
func (h *Handler) replicationStatuses(rq *request) error {
	if _, err := h.administration(rq); err != nil {
		return err
	}
	all := []replicationStatus{}
	for _, s := range h.replications() {
		if databaseOf(s.Keyspace) != rq.dbName {
			continue
		}
		answer := statusAnswer(&s)
		switch rq.item {
		case "":
			all = append(all, answer)
		case answer.ID, s.ID:
			return rq.sendValue(answer)
		}
	}
	if rq.item != "" {
		return notFound("There is no such replication.")
	}
	return rq.sendValue(all)
}

// schedulerJob is a replication in _scheduler/jobs, with CouchDB's members.
type schedulerJob struct {
	ID       string          `json:"id"`
	Database *string         `json:"database"` // of the document that asks for it: there is none
	Name     *string         `json:"doc_id"`
	Source   string          `json:"source"`
	Target   string          `json:"target"`
	User     *string         `json:"user"`
	Started  string          `json:"start_time"`
	History  []schedulerNote `json:"history"`
	Info     schedulerInfo   `json:"info"`
}

type schedulerNote struct {
	Time   string `json:"timestamp"`
	Type   string `json:"type"`
	Reason string `json:"reason,omitempty"`
}

type schedulerInfo struct {
	Checked  uint64          `json:"revisions_checked"`
	Missing  uint64          `json:"missing_revisions_found"`
	Read     uint64          `json:"docs_read"`
	Written  uint64          `json:"docs_written"`
	Failures uint64          `json:"doc_write_failures"`
	Seq      json.RawMessage `json:"checkpointed_source_seq,omitempty"`
}

// schedulerJobs answers GET /_scheduler/jobs: the replications that have not ended.
func (h *Handler) schedulerJobs(rq *request) error {
	if _, err := h.auth.AuthenticateAdmin(rq.r, &h.Site); err != nil {
		return err
	}
	jobs := []schedulerJob{}
	for _, s := range h.replications() {
		if !running(&s) {
			continue
		}
		started := s.Started.UTC().Format(time.RFC3339)
		job := schedulerJob{
			ID: taskID(&s), Source: s.Source, Target: s.Target, Started: started, History: []schedulerNote{{Time: started, Type: "started"}},
			Info: schedulerInfo{Checked: s.Checked, Missing: s.Missing, Read: s.Read, Written: s.Written, Failures: s.Failures, Seq: s.Seq},
		}
		if s.Name != "" {
			job.Name = &s.Name
		}
		if s.State == peer.Retrying {
			crashed := schedulerNote{Time: s.Updated.UTC().Format(time.RFC3339), Type: "crashed", Reason: s.Error}
			job.History = append([]schedulerNote{crashed}, job.History...)
		}
		jobs = append(jobs, job)
	}
	return rq.sendValue(map[string]any{"total_rows": len(jobs), "offset": 0, "jobs": jobs})
}

// replicationActions say who answers what about replications.
func replicationActions(k kind) (actions, bool) {
	switch k {
	case kindReplicate:
		return actions{post: action{do: (*Handler).replicate, write: true}}, true
	case kindSchedulerJobs:
		return actions{get: action{do: (*Handler).schedulerJobs}}, true
	case kindReplicationStatus:
		return actions{get: action{do: (*Handler).replicationStatuses}}, true
	}
	return actions{}, false
}

// routeReplication finds where a path below a database leads if it is about its replications.
func routeReplication(parts []string) (target, bool) {
	switch {
	case parts[0] != "_replicationStatus":
		return target{}, false
	case len(parts) == 1:
		return target{kind: kindReplicationStatus}, true
	case len(parts) == 2:
		return target{kind: kindReplicationStatus, item: parts[1]}, true
	}
	return target{}, false
}
