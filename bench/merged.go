package main

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"
)

const (
	mergeWrites = 3 * time.Second
	mergeRounds = 20
)

// merged writes until the store has merged tables. It does so every 160 MiB or so, takes a
// processor of two for seconds, and makes writes take up to three times as long by itself (p99 20
// instead of 7.5 ms): without this, one of two times that are compared would have it and the other
// not. After it, what is written in ten seconds is not enough for the next.
func (b *bench) merged(ctx context.Context) error {
	before, err := b.tables()
	if err != nil {
		return err
	}
	for range mergeRounds {
		if _, err := b.crowdWrites(ctx, "merging", mergeWrites, func() error { return nil }); err != nil {
			return err
		}
		now, err := b.tables()
		if err != nil {
			return err
		}
		for name := range before {
			if _, ok := now[name]; !ok {
				return nil
			}
		}
		for name := range now {
			before[name] = struct{}{}
		}
	}
	b.say("the store merged nothing in %d rounds of writes", mergeRounds)
	return nil
}

// tables are the names of the store's tables.
func (b *bench) tables() (map[string]struct{}, error) {
	all := map[string]struct{}{}
	err := filepath.WalkDir(b.server.Dir, func(path string, _ fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".sst" {
			all[path] = struct{}{}
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("looking for the store's tables: %w", err)
	}
	return all, nil
}
