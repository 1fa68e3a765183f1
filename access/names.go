package access

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// maxName is the longest name of a channel, in bytes: what syncstore can index.
	maxName = 1024
	// maxPrincipal is the longest name of a user or role, in bytes, as in auth.
	maxPrincipal = 239
	// rolePrefix begins the name of a role where a user could be named too.
	rolePrefix = "role:"
)

// checkChannel refuses names that no channel can have: Sync Gateway's rules, and none
// that begins like a role, since a grant of it would give the role.
func checkChannel(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("a channel's name must not be empty")
	case strings.Contains(name, ","):
		return fmt.Errorf("the channel name %q has a comma", shorten(name))
	case strings.HasPrefix(name, rolePrefix):
		return fmt.Errorf("the channel name %q begins with %q; to give a role use role(users, roles)", shorten(name), rolePrefix)
	case len(name) > maxName:
		return fmt.Errorf("the channel name %q is longer than %d bytes", shorten(name), maxName)
	case !utf8.ValidString(name):
		return fmt.Errorf("the channel name %q is not valid UTF-8", shorten(name))
	}
	return nil
}

// checkPrincipal refuses what can be the name of neither a user nor a role.
func checkPrincipal(name string) error {
	if name == "" || len(name) > maxPrincipal || !utf8.ValidString(name) || strings.ContainsAny(name, "/:,`") ||
		strings.ContainsFunc(name, unicode.IsControl) {
		return fmt.Errorf("%q can not be the name of a user or a role", shorten(name))
	}
	return nil
}

func shorten(name string) string {
	const limit = 64
	if len(name) <= limit {
		return name
	}
	return strings.ToValidUTF8(name[:limit], "") + "…"
}
