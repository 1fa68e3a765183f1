package caddysync

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/caddysync/caddy-sync/dump"
	"github.com/spf13/cobra"
)

// errNotDone: an answer that is none of an administrator's site.
var errNotDone = errors.New("the answer does not say that it is done: is the URL that of the database on the administrator's site?")

// adminAction is a command that asks the administrator's site for one thing.
type adminAction struct {
	use, short string
	arguments  int // after the URL
	run        func(ctx context.Context, db *dump.Database, args []string, t *terminal) error
}

func (a adminAction) command() *cobra.Command {
	cmd := &cobra.Command{Use: a.use, Short: a.short, RunE: runCommand(func(ctx context.Context, fl caddycmd.Flags, t *terminal) error {
		if fl.NArg() != 1+a.arguments {
			return usage("sync … " + a.use)
		}
		db, err := databaseAt(fl, fl.Arg(0))
		if err != nil {
			return err
		}
		return a.run(ctx, db, fl.Args()[1:], t)
	})}
	addAuthorizationFlag(cmd)
	return cmd
}

func userCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "user", Short: "Shows and disables users of a database",
		Long: `
Shows and disables the users of a database, through the administrator's site: the URL is that of
the database there, such as http://localhost:4985/notes. What else there is to change about users is
done with that site itself (docs/administration.md).`,
		RunE: ofCommands,
	}
	for _, action := range []adminAction{
		{"list <url of a database>", "Lists the names of users", 0, listUsers},
		{"show <url of a database> <user>", "Shows a user", 1, showUser},
		{"disable <url of a database> <user>", "Ends all that a user has open, and lets the user in no more", 1, disableUser(true)},
		{"enable <url of a database> <user>", "Lets a user in again, who has to sign in anew", 1, disableUser(false)},
	} {
		cmd.AddCommand(action.command())
	}
	return cmd
}

func sessionCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "session", Short: "Shows and ends sessions of a user",
		Long: `
Shows and ends the sessions of a user, through the administrator's site: the URL is that of the
database there, such as http://localhost:4985/notes.`,
		RunE: ofCommands,
	}
	for _, action := range []adminAction{
		{"list <url of a database> <user>", "Lists a user's sessions", 1, listSessions},
		{"end <url of a database> <user>", "Ends all sessions of a user, and refuses the tokens issued so far", 1, endSessions},
	} {
		cmd.AddCommand(action.command())
	}
	return cmd
}

func userPath(name string) string { return "/_user/" + url.PathEscape(name) }

func listUsers(ctx context.Context, db *dump.Database, _ []string, t *terminal) error {
	var names []string
	if err := db.Ask(ctx, http.MethodGet, "/_user/", nil, dump.Into(&names)); err != nil {
		return err
	}
	for _, name := range names {
		t.say("%s", name)
	}
	return nil
}

func showUser(ctx context.Context, db *dump.Database, args []string, t *terminal) error {
	return showAnswer(ctx, db, userPath(args[0]), t)
}

func listSessions(ctx context.Context, db *dump.Database, args []string, t *terminal) error {
	return showAnswer(ctx, db, userPath(args[0])+"/_session", t)
}

func showAnswer(ctx context.Context, db *dump.Database, path string, t *terminal) error {
	var answer json.RawMessage
	if err := db.Ask(ctx, http.MethodGet, path, nil, dump.Into(&answer)); err != nil {
		return err
	}
	text, err := json.MarshalIndent(answer, "", "  ")
	if err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	t.say("%s", text)
	return nil
}

// disableUser changes a user who is there: PUT alone would make one of a name that was mistyped.
func disableUser(disabled bool) func(context.Context, *dump.Database, []string, *terminal) error {
	return func(ctx context.Context, db *dump.Database, args []string, t *terminal) error {
		var user json.RawMessage
		if err := db.Ask(ctx, http.MethodGet, userPath(args[0]), nil, dump.Into(&user)); err != nil {
			return err
		}
		change := map[string]bool{"disabled": disabled}
		if err := askToDo(ctx, db, http.MethodPut, userPath(args[0]), change); err != nil {
			return err
		}
		if disabled {
			t.say("%s is disabled.", args[0])
		} else {
			t.say("%s is enabled.", args[0])
		}
		return nil
	}
}

// askToDo has something changed that the answer must say is done: a page of a site answers 200 to everything, too.
func askToDo(ctx context.Context, db *dump.Database, method, path string, body any) error {
	var done struct {
		OK bool `json:"ok"`
	}
	err := db.Ask(ctx, method, path, body, dump.Into(&done))
	if err == nil && !done.OK {
		return errNotDone
	}
	return err
}

func endSessions(ctx context.Context, db *dump.Database, args []string, t *terminal) error {
	if err := askToDo(ctx, db, http.MethodDelete, userPath(args[0])+"/_session", nil); err != nil {
		return err
	}
	t.say("All sessions of %s are ended.", args[0])
	return nil
}
