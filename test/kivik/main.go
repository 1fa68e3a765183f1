// Kivik is Go's CouchDB client, as a back office uses it: ADMIN_URL is the administrator's
// site, SYNC_URL the app's, TOKEN a user's token. It ends with 0, or says what differed.
package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	kivik "github.com/go-kivik/kivik/v4"
	"github.com/go-kivik/kivik/v4/couchdb"
)

// limit bounds the whole run.
const limit = 2 * time.Minute

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()

	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	office, err := kivik.New("couch", os.Getenv("ADMIN_URL"))
	if err != nil {
		return fmt.Errorf("the administrator's client: %w", err)
	}
	defer office.Close()

	if err := databases(ctx, office); err != nil {
		return err
	}

	stock := office.DB("stock")
	for _, part := range []struct {
		name string
		do   func(context.Context, *kivik.DB) error
	}{
		{"documents", documents},
		{"conflicts", conflicts},
		{"bulk", bulk},
		{"attachments", attachments},
		{"changes", changes},
		{"queries", queries},
		{"maintenance", maintenance},
	} {
		if err := part.do(ctx, stock); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}

	if err := asUser(ctx, os.Getenv("SYNC_URL"), os.Getenv("TOKEN")); err != nil {
		return fmt.Errorf("as a user: %w", err)
	}

	return office.DestroyDB(ctx, "stock")
}

func databases(ctx context.Context, office *kivik.Client) error {
	version, err := office.Version(ctx)
	if err != nil {
		return fmt.Errorf("version: %w", err)
	}

	if up, err := office.Ping(ctx); err != nil || !up || version.Vendor == "" {
		return fmt.Errorf("ping: %v, %w; vendor %q", up, err, version.Vendor)
	}

	if err := office.CreateDB(ctx, "stock"); err != nil {
		return fmt.Errorf("creating stock: %w", err)
	}

	if err := office.CreateDB(ctx, "stock"); kivik.HTTPStatus(err) != 412 {
		return fmt.Errorf("creating stock again: %w", err)
	}

	if exists, err := office.DBExists(ctx, "nowhere"); exists || err != nil {
		return fmt.Errorf("nowhere exists: %v, %w", exists, err)
	}

	names, err := office.AllDBs(ctx)
	if err != nil || !slices.Contains(names, "stock") {
		return fmt.Errorf("databases: %v, %w", names, err)
	}

	stats, err := office.DBsStats(ctx, []string{"stock"})
	if err != nil || len(stats) != 1 || stats[0].Name != "stock" {
		return fmt.Errorf("statistics: %v, %w", stats, err)
	}

	return nil
}

// asUser is what a user may on the app's site, and what not.
func asUser(ctx context.Context, url, token string) error {
	client, err := kivik.New("couch", url, couchdb.JWTAuth(token))
	if err != nil {
		return fmt.Errorf("the user's client: %w", err)
	}
	defer client.Close()

	session, err := client.Session(ctx)
	if err != nil || session.Name == "" {
		return fmt.Errorf("session: %v, %w", session, err)
	}

	notes := client.DB("notes")

	rev, err := notes.Put(ctx, "from-kivik", map[string]any{"by": "kivik"})
	if err != nil {
		return fmt.Errorf("writing: %w", err)
	}

	if got, err := notes.GetRev(ctx, "from-kivik"); err != nil || got != rev {
		return fmt.Errorf("revision %q, not %q: %w", got, rev, err)
	}

	if err := client.CreateDB(ctx, "mine"); kivik.HTTPStatus(err)/100 != 4 {
		return fmt.Errorf("a user made a database: %w", err)
	}

	stranger, err := kivik.New("couch", url, couchdb.JWTAuth("nonsense"))
	if err != nil {
		return fmt.Errorf("the stranger's client: %w", err)
	}
	defer stranger.Close()

	if _, err := stranger.DB("notes").GetRev(ctx, "from-kivik"); kivik.HTTPStatus(err) != 401 {
		return fmt.Errorf("a stranger got %w", err)
	}

	return nil
}
