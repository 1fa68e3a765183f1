package main

import (
	"context"
	"fmt"

	kivik "github.com/go-kivik/kivik/v4"
)

// queries are those by selectors: an index, what it finds page by page, why, and its end.
func queries(ctx context.Context, stock *kivik.DB) error {
	for n := range 30 {
		if _, err := stock.Put(ctx, fmt.Sprintf("found-%02d", n), map[string]any{"rank": n, "kind": []string{"even", "odd"}[n%2]}); err != nil {
			return fmt.Errorf("put: %w", err)
		}
	}

	if err := stock.CreateIndex(ctx, "ranks", "by-rank", map[string]any{"fields": []string{"kind", "rank"}}); err != nil {
		return fmt.Errorf("creating an index: %w", err)
	}

	indexes, err := stock.GetIndexes(ctx)
	if err != nil || len(indexes) != 2 || indexes[1].DesignDoc != "_design/ranks" || indexes[1].Name != "by-rank" {
		return fmt.Errorf("indexes: %+v, %w", indexes, err)
	}

	query := map[string]any{"selector": map[string]any{"kind": "odd", "rank": map[string]int{"$gt": 4}}, "sort": []string{"kind", "rank"}, "limit": 8}

	plan, err := stock.Explain(ctx, query)
	if err != nil {
		return fmt.Errorf("explain: %w", err)
	}

	if err := expect(plan.Index["name"] == "by-rank", "the index of %+v", plan); err != nil {
		return err
	}

	first, mark, err := page(ctx, stock, query)
	if err != nil {
		return err
	}

	query["bookmark"] = mark

	second, _, err := page(ctx, stock, query)
	if err != nil {
		return err
	}

	if err := expect(fmt.Sprint(first, second) == "[5 7 9 11 13 15 17 19] [21 23 25 27 29]", "the pages %v and %v", first, second); err != nil {
		return err
	}

	if err := stock.DeleteIndex(ctx, "ranks", "by-rank"); err != nil {
		return fmt.Errorf("deleting an index: %w", err)
	}

	if _, _, err := page(ctx, stock, query); kivik.HTTPStatus(err) != 400 {
		return fmt.Errorf("a sort without an index: %w", err)
	}

	return nil
}

// page asks for the documents of a query, and returns their ranks and the bookmark.
func page(ctx context.Context, stock *kivik.DB, query any) (ranks []int, bookmark string, err error) {
	rows := stock.Find(ctx, query)
	defer rows.Close()

	for rows.Next() {
		var found struct {
			Rank int `json:"rank"`
		}

		if err := rows.ScanDoc(&found); err != nil {
			return nil, "", fmt.Errorf("reading what was found: %w", err)
		}

		ranks = append(ranks, found.Rank)
	}

	if err := rows.Err(); err != nil {
		return nil, "", fmt.Errorf("finding: %w", err)
	}

	metadata, err := rows.Metadata()
	if err != nil {
		return nil, "", fmt.Errorf("what is said of the answer: %w", err)
	}

	return ranks, metadata.Bookmark, nil
}
