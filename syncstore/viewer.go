package syncstore

// Viewer is who reads: a user of the database, or a guest. What a viewer may see is
// computed here, in the snapshot that the answer is read from (DECISIONS 33). Where a
// *Viewer is nil, everything may be seen: it stands for an administrator. Viewers of a
// collection whose policy has no Evaluator see everything too.
type Viewer struct {
	// Name is the user's name, "" for a guest.
	Name string
	// TokenGrants says that what the newest token gave counts.
	TokenGrants bool
}

// Writer is who writes, as an Evaluator may ask.
type Writer interface {
	// Name is the user's name, "" for a guest.
	Name() string
	// Roles are the names of the user's roles, in order.
	Roles() []string
	// HasRole reports whether the user has a role, by its name.
	HasRole(role string) bool
	// HasChannel reports whether the user may see a channel, by itself, by a role, or by
	// seeing everything.
	HasChannel(channel string) bool
}

// Policy is what a database's configuration says of one collection.
type Policy struct {
	// Evaluator judges writes and says who may see what. nil: everybody who may come in
	// reads and writes everything ("access shared").
	Evaluator Evaluator
	// Validator judges writes by design documents; nil: what stands in them means nothing.
	Validator Validator
	// LiteIDs refuses documents that Couchbase Lite cannot hold (DECISIONS 27): with ErrBadID,
	// or ErrBadHistory for the name of a revision.
	LiteIDs bool
	// Version names the policy: a document that was written under another one may be in
	// the wrong channels until a resync.
	Version string
	// Closed: only administrators read. Others get ErrUnavailable, and not what looks like documents
	// that are gone: a client would pass over them for good.
	Closed bool
}

// SharedVersion is the Policy.Version of one that puts no document into a channel: everybody sees them all.
const SharedVersion = "shared"

// Channels that mean something by themselves.
const (
	// PublicChannel is held by everybody.
	PublicChannel = "!"
	// AllChannel, where it is held, shows every document of the collection.
	AllChannel = "*"
	// rolePrincipal begins the principal of a role, and the role of a grant.
	rolePrincipal = "role:"
)

// SetPolicy says how writes are judged from now on, and who sees what. A resync that a stop
// interrupted goes on by the policy that is set first.
func (c *Collection) SetPolicy(p Policy) {
	before := c.policy.Swap(&p)
	if before != nil && before.Version != p.Version {
		c.policyMoves.Add(1)
	}
	if before != nil && before.Version != p.Version && p.Version != "" {
		c.store.start(func() { c.notePolicy(p.Version) })
	}
	if before != nil && c.resumed.CompareAndSwap(false, true) {
		c.store.start(c.resumeResync)
	}
}

// Policy returns what SetPolicy said last.
func (c *Collection) Policy() Policy { return *c.policy.Load() }

// seesAll reports whether a viewer sees everything without a look at the grants.
func (c *Collection) seesAll(v *Viewer) bool { return v == nil || c.policy.Load().Evaluator == nil }
