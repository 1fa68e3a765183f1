package caddysync

import (
	"context"
	"encoding/json"
	"errors"
	goflag "flag"
	"fmt"
	"io"
	"os"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/caddysync/caddy-sync/access"
	"github.com/caddysync/caddy-sync/auth/filewatch"
)

// tryCommand is `try-sync-function`: what a sync function makes of a write, as
// POST /{keyspace}/_sync shows it, without a server.
func tryCommand() caddycmd.Command {
	try := new(tryOptions)
	flags := goflag.NewFlagSet("try-sync-function", goflag.ExitOnError)
	flags.StringVar(&try.old, "old", "", "A file with the revision that is there already, for oldDoc")
	flags.StringVar(&try.user, "user", "", "The name of the user who writes. Default: a guest")
	flags.Func("role", "A role that the user has; may be repeated", try.roles.add)
	flags.Func("channel", "A channel that the user has; may be repeated", try.channels.add)
	flags.BoolVar(&try.admin, "admin", false, "An administrator writes, whom all require… functions let pass")
	return caddycmd.Command{
		Name:  "try-sync-function",
		Usage: "<function.js> <doc.json> [--old <old.json>] [--user <name>] [--role <role>] [--channel <channel>] [--admin]",
		Short: "Shows what a sync function makes of a document",
		Long: `
Runs a sync function on a document and prints in JSON the channels that the
document would be in, what access and roles it would give to whom, when it would
expire, why it would be refused ("exception", with the status that a client would
see), and what the function gave to console.log. Nothing is stored.

The exit status is 0 if the document would be accepted.`,
		Flags: flags,
		Func: func(fl caddycmd.Flags) (int, error) {
			if err := try.run(context.Background(), fl.Args(), os.Stdout); err != nil {
				return 1, err
			}
			return 0, nil
		},
	}
}

// repeated is a flag that may stand there more than once.
type repeated []string

func (r *repeated) add(value string) error {
	if value == "" {
		return errors.New("is empty")
	}
	*r = append(*r, value)
	return nil
}

// tryOptions are the command's.
type tryOptions struct {
	old, user       string
	roles, channels repeated
	admin           bool
}

// errNotAccepted is why the command does not exit with 0.
var errNotAccepted = errors.New("the document would not be accepted")

func (o *tryOptions) run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) != 2 {
		return errors.New("write `try-sync-function <function.js> <doc.json>`")
	}
	if o.admin && (o.user != "" || len(o.roles) > 0 || len(o.channels) > 0) {
		return errors.New("--admin stands without --user, --role and --channel: an administrator needs none of them")
	}
	if o.user == "" && !o.admin && len(o.roles) > 0 {
		return errors.New("--role stands with --user: a guest has no roles")
	}
	source, err := filewatch.Read(args[0])
	if err != nil {
		return err
	}
	function, err := access.NewSyncFunction(args[0], string(source), access.Options{})
	if err != nil {
		return err
	}
	var attempt access.Attempt
	if attempt.Doc, err = os.ReadFile(args[1]); err != nil {
		return err
	}
	if o.old != "" {
		if attempt.OldDoc, err = os.ReadFile(o.old); err != nil {
			return err
		}
	}
	if !o.admin {
		attempt.User = &access.AttemptUser{Name: o.user, Roles: o.roles, Channels: o.channels}
	}
	trial, err := access.Try(ctx, function, attempt)
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(trial, "", "  ")
	if err != nil {
		return fmt.Errorf("writing the result: %w", err)
	}
	if _, err := fmt.Fprintf(out, "%s\n", text); err != nil {
		return fmt.Errorf("writing the result: %w", err)
	}
	if trial.Status != 0 {
		return fmt.Errorf("%w: %d %s", errNotAccepted, trial.Status, trial.Exception)
	}
	return nil
}
