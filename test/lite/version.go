package lite

// Version is the version of Couchbase Lite that a device acts as.
type Version int

// The versions that devices act as.
const (
	V28 Version = 28 // revision trees, CBMobile_2
	V32 Version = 32 // revision trees, CBMobile_3
	V34 Version = 34 // revision trees, CBMobile_3, and CBMobile_4 to push
	V40 Version = 40 // version vectors, CBMobile_4
	V41 Version = 41 // likewise, and nothing else
)

// String is the version as people write it.
func (v Version) String() string {
	return map[Version]string{V28: "2.8", V32: "3.2", V34: "3.4", V40: "4.0", V41: "4.1"}[v]
}

// The WebSocket subprotocols.
const (
	protocol2 = "BLIP_3+CBMobile_2"
	protocol3 = "BLIP_3+CBMobile_3"
	protocol4 = "BLIP_3+CBMobile_4"
)

// offers are the subprotocols that the version asks for (blip.md 1.2).
func (v Version) offers(push, pull bool) []string {
	switch {
	case v == V28:
		return []string{protocol2}
	case v == V32:
		return []string{protocol3, protocol2}
	case v == V34 && pull:
		return []string{protocol3}
	case v == V40 && push, v == V41:
		return []string{protocol4}
	}
	return []string{protocol4, protocol3}
}

// vectors reports whether the version has version vectors in place of revision trees.
func (v Version) vectors() bool { return v >= V40 }

// namesCollections reports whether the version always begins with getCollections.
func (v Version) namesCollections() bool { return v >= V34 }

// userAgent names the client; no server may depend on it.
func (v Version) userAgent() string { return "CouchbaseLite-test LiteCore/" + v.String() }

// maxHistory is how many ancestors the version wants with a revision.
func (v Version) maxHistory() int {
	if v == V28 {
		return 20
	}
	return 50
}
