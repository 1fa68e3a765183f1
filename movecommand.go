package caddysync

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/caddysync/caddy-sync/movein"
	"github.com/caddysync/caddy-sync/replication/peer"
	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// sourcePassword is the variable of the environment with the password at the source.
const sourcePassword = "CADDY_SYNC_SOURCE_PASSWORD" //nolint:gosec // the name of a variable

var (
	errCredentialsInURL = errors.New("the URL has credentials in it, which everybody on this machine can read in the list of processes: " +
		"leave them out, and write --user <name>; the password is asked for, or taken from --password-file or from $" + sourcePassword)
	errNoPassword = errors.New("no password for --user: write --password-file <file>, or set $" + sourcePassword)
)

// moveCommand is `sync import couchdb` and `sync import sync-gateway`.
func moveCommand(kind movein.Kind) *cobra.Command {
	cmd := &cobra.Command{
		Use:   string(kind) + " <url there> <url here>",
		Short: "Takes a database over from a running CouchDB, or what speaks as it does",
		Long: `
Takes a database over from a running CouchDB, Cloudant or PouchDB Server: all leaves of all
documents with their ancestry, attachments, deletions, design documents and those local documents
that are no checkpoints; with a server administrator's credentials, the users that may use the
database, with roles and, where the hash is of a kind that is taken, passwords.`,
		RunE: runCommand(func(ctx context.Context, fl caddycmd.Flags, t *terminal) error { return runMove(ctx, kind, fl, t) }),
	}
	if kind == movein.SyncGateway {
		cmd.Short = "Takes a database over from a running Couchbase Sync Gateway"
		cmd.Long = `
Takes a database over from a running Sync Gateway: all leaves of all documents of all its
collections with their ancestry, attachments and deletions; through its admin port, users and roles with
channels, and the sync functions into files. Through its public port, what the user sees.`
	}
	cmd.Long += `

<url here> is that of the database on the administrator's site. It has to be there, with its policy, and need
not be empty. Nothing is written at the source. What was taken over is not taken again: end the command at
any moment and begin it again, also to take what was changed since. In the end all documents of both sides
are compared; the exit status is 1 if something is not here, and the command says what, and why.

docs/import.md says more.`
	flags := cmd.Flags()
	flags.String("user", "", "Who signs in at the source, with a password from --password-file, from $"+sourcePassword+", or asked for")
	flags.String("password-file", "", "A file with the password of --user")
	flags.String("source-authorization-file", "", "In place of --user, a file with the value of the header Authorization for the source, such as: Bearer <token>")
	flags.String("source-ca-file", "", "A file with the certificates (PEM) of the authority that the source's certificate is from")
	flags.Duration("timeout", 0, "How long a server may say nothing before it is asked again (default 1m30s)")
	flags.Bool("no-users", false, "Leaves users and roles")
	flags.Bool("check-only", false, "Writes nothing, and compares what is here with what is there")
	if kind == movein.SyncGateway {
		flags.String("save-to", "", "A folder for the sync functions. A file that is there with other contents stays, and the function is written beside it")
	}
	addAuthorizationFlag(cmd)
	return cmd
}

func runMove(ctx context.Context, kind movein.Kind, fl caddycmd.Flags, t *terminal) error {
	if fl.NArg() != 2 {
		return usage("sync import " + string(kind) + " <url there> <url here>")
	}
	o := movein.Options{
		Kind: kind, NoUsers: fl.Bool("no-users"), CheckOnly: fl.Bool("check-only"), Patience: fl.Duration("timeout"), Teller: moveTeller{t},
	}
	var err error
	if o.Source, err = sourceOf(ctx, fl); err != nil {
		return err
	}
	if o.Target, err = targetOf(fl); err != nil {
		return err
	}
	if o.Source.Credentials != nil && o.Source.URL.Scheme == "http" && !onThisHost(o.Source.URL.String()) {
		t.say("Warning: the credentials go to the source without encryption: write https:// if it has that.")
	}
	if kind == movein.SyncGateway && fl.String("save-to") != "" {
		o.Save = saveTo(fl.String("save-to"), t.say)
	}
	return movein.Run(ctx, o)
}

// sourceOf is the database that is taken over, with who signs in there.
func sourceOf(ctx context.Context, fl caddycmd.Flags) (r peer.Remote, err error) {
	u, inURL, err := peer.ParseURL(fl.Arg(0))
	if err != nil {
		return r, fmt.Errorf("the source: %w", err)
	}
	if inURL != nil {
		return r, errCredentialsInURL
	}
	r.URL = u
	user, file := fl.String("user"), fl.String("source-authorization-file")
	switch {
	case user != "" && file != "":
		return r, errors.New("--user and --source-authorization-file exclude one another")
	case file != "":
		r.Credentials, err = authorizationIn(file)
	case user != "":
		r.Credentials = &peer.Credentials{Kind: peer.Basic, Name: user}
		r.Credentials.Secret, err = passwordOf(ctx, user, fl.String("password-file"))
	}
	if err != nil {
		return r, err
	}
	r.Transport, err = transportFor(fl.String("source-ca-file"))
	return r, err
}

// targetOf is the database that takes it.
func targetOf(fl caddycmd.Flags) (r peer.Remote, err error) {
	u, inURL, err := peer.ParseURL(fl.Arg(1))
	if err != nil {
		return r, fmt.Errorf("the target: %w", err)
	}
	if inURL != nil {
		return r, errors.New("the URL here has credentials in it: leave them out, and write --authorization-file <file>")
	}
	r.URL = u
	if file := fl.String("authorization-file"); file != "" {
		r.Credentials, err = authorizationIn(file)
	}
	return r, err
}

// authorizationIn reads the value of a header Authorization.
func authorizationIn(file string) (*peer.Credentials, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the credentials: %w", err)
	}
	c := peer.ParseAuthorization(strings.TrimSpace(string(text)))
	if c == nil {
		return nil, fmt.Errorf("%s has no header of the kind Bearer or Basic in it", file)
	}
	return c, nil
}

// passwordOf finds the password of a user: in a file, in the environment, or by asking.
func passwordOf(ctx context.Context, user, file string) (string, error) {
	if file != "" {
		text, err := os.ReadFile(file)
		if err != nil {
			return "", fmt.Errorf("reading the password: %w", err)
		}
		return strings.TrimRight(string(text), "\r\n"), nil
	}
	if password, ok := os.LookupEnv(sourcePassword); ok {
		return password, nil
	}
	in := int(os.Stdin.Fd())
	if !term.IsTerminal(in) {
		return "", errNoPassword
	}
	fmt.Fprintf(os.Stderr, "Password of %s at the source: ", user)
	defer fmt.Fprintln(os.Stderr)
	return askPassword(ctx, in)
}

// askPassword reads a password from a terminal, which shows what is typed again if the user ends the command there.
func askPassword(ctx context.Context, in int) (string, error) {
	before, err := term.GetState(in)
	if err != nil {
		return "", fmt.Errorf("asking for the password: %w", err)
	}
	var text []byte
	typed := make(chan error, 1)
	go func() {
		var err error
		text, err = term.ReadPassword(in)
		typed <- err
	}()
	select {
	case <-ctx.Done():
		return "", errors.Join(ctx.Err(), term.Restore(in, before))
	case err := <-typed:
		if err != nil {
			return "", fmt.Errorf("asking for the password: %w", err)
		}
		return string(text), nil
	}
}

// transportFor trusts the authority in a file, or those of the system.
func transportFor(file string) (http.RoundTripper, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the authority's certificates: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s has no certificate in it", file)
	}
	transport, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return nil, fmt.Errorf("the default transport is a %T", http.DefaultTransport)
	}
	transport = transport.Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	return transport, nil
}

// saveTo writes texts into a folder. A file that is there with other contents stays: it may be the operator's work by now, and
// be in force. The text is in one beside it then.
func saveTo(folder string, say func(format string, args ...any)) func(name, text string) (string, error) {
	return func(name, text string) (string, error) {
		if err := os.MkdirAll(folder, 0o755); err != nil { //nolint:gosec // the server reads what is in it, as another user
			return "", fmt.Errorf("making the folder: %w", err)
		}
		path, err := filepath.Abs(filepath.Join(folder, name))
		if err != nil {
			return "", fmt.Errorf("finding the folder: %w", err)
		}
		extension := filepath.Ext(path)
		for n, free := 2, path; ; n++ {
			there, err := os.ReadFile(free)
			switch {
			case errors.Is(err, os.ErrNotExist):
				return free, saveFile(free, text)
			case err != nil:
				return "", fmt.Errorf("reading the function that is there: %w", err)
			case string(there) == text:
				return free, nil
			}
			say("%s is there with other contents, and stays as it is.", free)
			free = fmt.Sprintf("%s.%d%s", strings.TrimSuffix(path, extension), n, extension)
		}
	}
}

func saveFile(path, text string) error {
	write := func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	}
	readable := func(path string) error { return os.Chmod(path, 0o644) } //nolint:gosec // the server reads it, as another user
	if err := writeWhole(path, write, readable); err != nil {
		return fmt.Errorf("writing the function: %w", err)
	}
	return nil
}

// moveTeller tells on a terminal.
type moveTeller struct{ t *terminal }

func (m moveTeller) Say(format string, args ...any) { m.t.say(format, args...) }

func (m moveTeller) Progress(what string, done, total uint64) { m.t.bar(what, done, total) }
