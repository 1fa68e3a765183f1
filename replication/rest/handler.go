// Package rest serves documents over HTTP as CouchDB's replication protocol does.
package rest

import (
	"net/http"
	"time"

	"github.com/caddysync/caddy-sync/auth"
	"github.com/caddysync/caddy-sync/syncstore"
	"go.uber.org/zap"
)

// Config is what a site serves.
type Config struct {
	Store *syncstore.Store
	Auth  *auth.Service
	Site  auth.Site
	// Databases are the names this site serves; a lone "*" serves all.
	Databases []string
	// Database returns the policy of a database.
	Database func(name string) Policy
	Logger   *zap.Logger
	CORS     *CORS // nil: none
	// PathPrefix is cut off request paths ("" or "/api").
	PathPrefix string
	// TempDir is where large bulk bodies are spooled.
	TempDir string
	Version string // of the server
	// Streams ends long responses: it is closed when the server stops.
	Streams <-chan struct{}
}

// Policy is what a database's configuration means for REST.
type Policy struct {
	Evaluator syncstore.Evaluator
	Limits    Limits
}

// Limits bound what a request may send; 0 means the default.
type Limits struct {
	Document   int64 // 20 MiB
	Attachment int64 // 100 MiB ... see docs
	Request    int64 // 256 MiB
	BulkDocs   int   // 10000
}

// CORS is a `cors` block.
type CORS struct {
	Origins     []string // exact origins, or "*"
	Credentials bool
	Headers     []string
	MaxAge      time.Duration // default 2h
}

// Handler serves a site.
type Handler struct{ Config }

func New(c Config) (*Handler, error) { panic("todo") }

// ServeHTTP answers what is a sync endpoint of this site and hands the rest to next.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, next http.Handler) { panic("todo") }
