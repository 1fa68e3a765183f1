package rest

import "context"

// Seen is what a site found out about a request, for logs, metrics and traces.
type Seen struct {
	// Endpoint is what was asked for, one of Endpoints; "" if the site has nothing to do with
	// the request.
	Endpoint Endpoint
	// Database is the database's name, if there is one and who asks was let in; Collection the rest of the
	// keyspace in the path.
	Database, Collection string
	// User is who asks, "" for guests and administrators without a name; Method is how they
	// signed in.
	User, Method string
	// Live: the answer stays open, or what goes on after it.
	Live bool
	// Failure is the status that a refusal was answered with, 0 if there was none.
	Failure int
}

type seenKey struct{}

// WithSeen returns a context in which a site notes what it finds out.
func WithSeen(ctx context.Context, s *Seen) context.Context {
	return context.WithValue(ctx, seenKey{}, s)
}

func seenIn(ctx context.Context) *Seen {
	if s, ok := ctx.Value(seenKey{}).(*Seen); ok {
		return s
	}
	return new(Seen)
}

// Endpoint is a group of endpoints that cost about the same.
type Endpoint string

// The groups.
const (
	EndpointDocument   Endpoint = "document"
	EndpointAttachment Endpoint = "attachment"
	EndpointLocal      Endpoint = "local"
	EndpointBulkWrite  Endpoint = "bulk_write"
	EndpointBulkRead   Endpoint = "bulk_read"
	EndpointChanges    Endpoint = "changes"
	EndpointQuery      Endpoint = "query"
	EndpointSignIn     Endpoint = "sign_in"
	EndpointBLIP       Endpoint = "blip"
	EndpointDatabase   Endpoint = "database"
	EndpointAdmin      Endpoint = "admin"
	EndpointServer     Endpoint = "server"
)

// Endpoints are all of them.
var Endpoints = [...]Endpoint{
	EndpointDocument, EndpointAttachment, EndpointLocal, EndpointBulkWrite, EndpointBulkRead, EndpointChanges, EndpointQuery,
	EndpointSignIn, EndpointBLIP, EndpointDatabase, EndpointAdmin, EndpointServer,
}

// endpoint is the group of a kind.
func (k kind) endpoint() Endpoint {
	switch k {
	case kindDocument:
		return EndpointDocument
	case kindAttachment:
		return EndpointAttachment
	case kindLocal, kindLocalAttachment, kindLocalDocs:
		return EndpointLocal
	case kindBulkDocs:
		return EndpointBulkWrite
	case kindBulkGet, kindRevsDiff, kindMissingRevs, kindAllDocs, kindAllDocsQueries, kindDesignDocs, kindDesignDocsQueries:
		return EndpointBulkRead
	case kindChanges:
		return EndpointChanges
	case kindView, kindViewQueries, kindDesignInfo, kindFind, kindExplainFind, kindIndexes, kindIndex, kindIndexBulkDelete:
		return EndpointQuery
	case kindSession, kindSessionHandle, kindRootSession, kindRootSessionHandle:
		return EndpointSignIn
	case kindBlipSync:
		return EndpointBLIP
	case kindDatabase, kindEnsureFullCommit, kindSecurity, kindRevsLimit, kindUnknown:
		return EndpointDatabase
	case kindRoot, kindUp, kindUUIDs, kindRootUnknown:
		return EndpointServer
	}
	if k.oidc() {
		return EndpointSignIn
	}
	return EndpointAdmin
}
