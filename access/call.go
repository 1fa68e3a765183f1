package access

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/caddysync/caddy-sync/script"
	"github.com/caddysync/caddy-sync/syncstore"
)

const (
	// maxChannels is how many channels one revision may be in.
	maxChannels = 1000
	// maxGrants is how many grants one revision may make.
	maxGrants = 1000
	// maxWarnings is how many warnings are kept of one call.
	maxWarnings = 20
)

// call is one call of a sync function: it serves the functions that the script calls, and
// collects what they say.
type call struct {
	writer   syncstore.Writer
	now      func() time.Time
	outcome  syncstore.Outcome
	mistake  error // the first one; it can be caught, but not undone
	warnings []string
	log      []string
	required requirement // the last one that the writer did not meet
}

// requirement is what a function of the script asked of the writer.
type requirement struct {
	function, reason string
	names            []string
}

// Begin forgets what an earlier run of the same call said.
func (c *call) Begin() {
	c.outcome, c.mistake, c.warnings, c.required = syncstore.Outcome{}, nil, nil, requirement{}
}

// Invoke serves one call of the script.
func (c *call) Invoke(function string, args []script.Value) error {
	if c.mistake != nil {
		return c.mistake
	}
	var err error
	switch function {
	case "channel":
		err = c.channel(args)
	case "access":
		err = c.access(args)
	case "role":
		err = c.role(args)
	case "expiry":
		c.expiry(argument(args, 0))
	case "requireUser":
		return c.require(function, args, reasonUser, func(name string) bool { return c.writer.Name() == name })
	case "requireRole":
		return c.require(function, args, reasonRole, func(name string) bool { return c.writer.HasRole(strings.TrimPrefix(name, rolePrefix)) })
	case "requireAccess":
		return c.require(function, args, reasonChannel, func(name string) bool { return c.writer.HasChannel(name) })
	case "requireAdmin":
		if c.writer != nil {
			c.required = requirement{function: function, reason: reasonAdmin}
			return refusal(reasonAdmin)
		}
	}
	if err != nil {
		c.mistake = &mistakeError{function, err}
	}
	return err
}

// refusal is thrown as {forbidden: reason}, as the function's own refusals are.
func refusal(reason string) error {
	return &script.ThrowError{Members: map[string]string{"forbidden": reason}}
}

// require throws unless the writer is an administrator or one of the names fits.
func (c *call) require(function string, args []script.Value, reason string, fits func(name string) bool) error {
	if c.writer == nil {
		return nil
	}
	names := c.names(function, argument(args, 0))
	if slices.ContainsFunc(names, fits) {
		return nil
	}
	c.required = requirement{function, reason, names}
	return refusal(reason)
}

func (c *call) channel(args []script.Value) error {
	for _, arg := range args {
		for _, name := range c.names("channel", arg) {
			if err := checkChannel(name); err != nil {
				return err
			}
			if slices.Contains(c.outcome.Channels, name) {
				continue
			}
			if len(c.outcome.Channels) == maxChannels {
				return fmt.Errorf("a document can not be in more than %d channels", maxChannels)
			}
			c.outcome.Channels = append(c.outcome.Channels, name)
		}
	}
	return nil
}

// access gives users and roles channels.
func (c *call) access(args []script.Value) error {
	principals := c.names("access", argument(args, 0))
	channels := c.names("access", argument(args, 1))
	for _, principal := range principals {
		if err := checkPrincipal(strings.TrimPrefix(principal, rolePrefix)); err != nil {
			return err
		}
	}
	for _, channel := range channels {
		if err := checkChannel(channel); err != nil {
			return err
		}
	}
	if slices.Contains(channels, syncstore.AllChannel) {
		c.warn(`access: "*" is not given; only an administrator or a token can give it`)
		channels = slices.DeleteFunc(channels, func(name string) bool { return name == syncstore.AllChannel })
	}
	return c.grant(principals, channels)
}

// role gives users roles. Both have their prefix where a user could be meant: the roles
// must have it, the users must not.
func (c *call) role(args []script.Value) error {
	users := c.names("role", argument(args, 0))
	roles := c.names("role", argument(args, 1))
	for _, user := range users {
		if strings.HasPrefix(user, rolePrefix) {
			return fmt.Errorf("%q is a role, and a role can not have roles", shorten(user))
		}
		if err := checkPrincipal(user); err != nil {
			return err
		}
	}
	for _, role := range roles {
		name, ok := strings.CutPrefix(role, rolePrefix)
		if !ok {
			return fmt.Errorf("the role must be written as %q", rolePrefix+shorten(role))
		}
		if name == AdminRole {
			return fmt.Errorf("no role is called %q: functions would take its members for administrators", AdminRole)
		}
		if err := checkPrincipal(name); err != nil {
			return err
		}
	}
	return c.grant(users, roles)
}

// grant gives each principal all that is granted. A name counts once, however often it stands in a list: each pair is
// looked for among those that there are, which nothing interrupts.
func (c *call) grant(principals, granted []string) error {
	principals, granted = distinct(principals), distinct(granted)
	for _, principal := range principals {
		for _, name := range granted {
			grant := syncstore.Grant{Principal: principal, Channel: name}
			if slices.Contains(c.outcome.Grants, grant) {
				continue
			}
			if len(c.outcome.Grants) == maxGrants {
				return fmt.Errorf("a document can not make more than %d grants; give a role the channel instead", maxGrants)
			}
			c.outcome.Grants = append(c.outcome.Grants, grant)
		}
	}
	return nil
}

// distinct returns each name once, in the order in which they came.
func distinct(names []string) []string {
	if len(names) < 2 {
		return names
	}
	seen := make(map[string]struct{}, len(names))
	return slices.DeleteFunc(names, func(name string) bool {
		_, again := seen[name]
		seen[name] = struct{}{}
		return again
	})
}

// names returns the strings of an argument that is one or an array of them. What is null
// is left out, and with a warning what is no string.
func (c *call) names(function string, arg script.Value) []string {
	if name, ok := arg.Text(); ok {
		return []string{name}
	}
	if arg.Absent() {
		return nil
	}
	elements, ok := arg.Elements()
	if !ok {
		c.warn(fmt.Sprintf("%s: ignored an argument that is a %s, not a string or an array", function, arg.Kind()))
		return nil
	}
	names := make([]string, 0, len(elements))
	for _, element := range elements {
		if name, ok := element.Text(); ok {
			names = append(names, name)
		} else if !element.Absent() {
			c.warn(fmt.Sprintf("%s: ignored an element that is a %s, not a string", function, element.Kind()))
		}
	}
	return names
}

func (c *call) warn(text string) {
	if len(c.warnings) < maxWarnings && !slices.Contains(c.warnings, text) {
		c.warnings = append(c.warnings, text)
	}
}

func argument(args []script.Value, at int) script.Value {
	if at < len(args) {
		return args[at]
	}
	return script.Value{}
}
