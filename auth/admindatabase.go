package auth

import "go.uber.org/zap"

// AdminEvent is something that an administrator did and that others carry out: the audit
// log has it beside what auth does itself.
type AdminEvent string

// What administrators do to databases, to channels, and to how writes are judged.
const (
	AccessHistoryCompacted AdminEvent = "access_history_compacted" // about a user
	ResyncStarted          AdminEvent = "resync_started"           // about a keyspace, as the others
	ResyncStopped          AdminEvent = "resync_stopped"
	SyncFunctionRead       AdminEvent = "sync_function_read"
	SyncFunctionTried      AdminEvent = "sync_function_tried"
	Compacted              AdminEvent = "compacted"
	Purged                 AdminEvent = "purged"
	Replicated             AdminEvent = "replicated"
	DatabaseCreated        AdminEvent = "database_created"
	DatabaseDeleted        AdminEvent = "database_deleted"
	DatabaseOffline        AdminEvent = "database_offline"
	DatabaseOnline         AdminEvent = "database_online"
	ConfigRead             AdminEvent = "database_config_read"
	DocumentInspected      AdminEvent = "document_metadata_read"
	BackupTaken            AdminEvent = "backup_taken" // of the whole store
)

// Note writes an entry of the audit log about a user or a keyspace; of a backup about is what it is
// since.
func (a *Administration) Note(event AdminEvent, about string) {
	switch event {
	case AccessHistoryCompacted:
		a.note(string(event), auditUser(about))
		return
	case BackupTaken:
		a.note(string(event), zap.Bool("incremental", about != ""))
		return
	}
	a.note(string(event), zap.String("keyspace", auditText(about)))
}
