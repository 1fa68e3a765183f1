package harness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
)

// buildTags keep out what Caddy's PKI would link beside our own engine (xcaddy.md).
const buildTags = "nobadger,nomysql,nopgx"

// BinaryVariable names the environment variable with the path of a binary to use
// instead of building one.
const BinaryVariable = "CADDY_SYNC_BINARY"

// Root is the repository's folder: the nearest above the working directory with a go.work.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("finding the repository: %w", err)
	}

	for {
		if _, err := os.Stat(filepath.Join(dir, "cmd", "caddy-sync", "main.go")); err == nil {
			return dir, nil
		}

		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("finding the repository: no folder above has cmd/caddy-sync")
		}

		dir = parent
	}
}

type builder struct {
	once sync.Once
	path string
	err  error
}

// RaceVariable names the environment variable that makes every server an instrumented one
// when it is not empty.
const RaceVariable = "CADDY_SYNC_RACE"

// One build for each variant and process; Go's own cache serves the next process.
var builds = map[bool]*builder{false: {}, true: {}} // a cache of this process

// Binary builds caddy-sync once for this process, into bin/harness, and returns its
// path. With race it is instrumented, which needs cgo and a C compiler (ErrNoTool).
func Binary(ctx context.Context, race bool) (string, error) {
	if path := os.Getenv(BinaryVariable); path != "" {
		return path, nil
	}

	race = race || os.Getenv(RaceVariable) != ""
	b := builds[race]
	b.once.Do(func() { b.path, b.err = build(ctx, race) })

	return b.path, b.err
}

func build(ctx context.Context, race bool) (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}

	name, args, cgo := "caddy-sync", []string{"build", "-tags", buildTags}, "CGO_ENABLED=0"

	if race {
		if _, err := exec.LookPath("cc"); err != nil {
			return "", fmt.Errorf("building with -race: %w: cc", ErrNoTool)
		}

		name, args, cgo = "caddy-sync-race", append(args, "-race"), "CGO_ENABLED=1"
	}

	folder := filepath.Join(root, "bin", "harness")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", fmt.Errorf("building caddy-sync: %w", err)
	}

	// Packages are tested in processes of their own, which would write the same file.
	unlock, err := lockFile(filepath.Join(folder, name+".lock"))
	if err != nil {
		return "", fmt.Errorf("building caddy-sync: %w", err)
	}
	defer unlock()

	path := filepath.Join(folder, name)

	var output bytes.Buffer

	cmd := exec.CommandContext(ctx, "go", append(args, "-o", path, "./cmd/caddy-sync")...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = root, &output, &output
	cmd.Env = append(os.Environ(), cgo)

	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("building caddy-sync: %w\n%s", err, output.Bytes())
	}

	return path, nil
}
