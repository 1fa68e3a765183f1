package lite1

// Edition is a platform's Couchbase Lite.
type Edition int

// The editions, which differ in how they ask.
const (
	Java Edition = iota
	NET
	IOS
)

// Editions are all of them.
func Editions() []Edition { return []Edition{Java, NET, IOS} }

func (e Edition) String() string { return [...]string{"Java", ".NET", "iOS"}[e] }

func (e Edition) agent() string {
	return "CouchbaseLite/1.3 (" + [...]string{"Java Android/7.0 ARM 1.4.4/6f4a1ab", ".NET 1.4.4", "iOS 1.4.4 (4)"}[e] + ")"
}

// accept is the Accept header of requests for JSON.
func (e Edition) accept() string {
	if e == IOS {
		return "application/json"
	}
	return "multipart/related, application/json"
}

// bulk is how many revisions are asked for at once.
func (e Edition) bulk() int {
	if e == IOS {
		return 100
	}
	return 50
}

const (
	// heartbeat is what all of them ask for, in milliseconds.
	heartbeat = 300_000
	// inbox is how many rows are worked off at once.
	inbox = 100
	// maxAncestors is how many revisions are named in atts_since.
	maxAncestors = 10
	// bigAttachment is from how many bytes content goes in a part of its own.
	bigAttachment = 2 << 10
	// packFrom is from how many bytes a body is compressed.
	packFrom = 100
	// maxNETMessage is how much of a WebSocket message the edition for .NET reads, in bytes.
	maxNETMessage = 128 << 10
	// maxRevTreeDepth is how long a history is kept.
	maxRevTreeDepth = 20
)
