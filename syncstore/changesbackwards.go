package syncstore

import (
	"context"
	"slices"
)

// lastChanges is Changes with the newest first, for a few of them. The feed of a viewer is read backwards by
// reading it: its order is not that of an index.
func (c *Collection) lastChanges(ctx context.Context, o ChangesOptions, fn func(*Change) error) (last Cursor, err error) {
	limit := o.Limit
	o.Descending, o.Limit = false, 0
	var all []*Change // the last ones, limit of them and at least one before them
	last, err = c.changesSince(ctx, o, o.Since, func(change *Change) error {
		if all = append(all, change.clone()); limit < (len(all)-viewedPage)/2 {
			all = append(all[:0], all[len(all)-limit-1:]...)
		}
		return nil
	})
	if err != nil {
		return last, err
	}
	for i, change := range slices.Backward(all) {
		if err := fn(change); err != nil {
			return last, err
		}
		if len(all)-i == limit && i > 0 {
			return change.Cursor(), nil
		}
	}
	return last, nil
}

// changesBackwards is Changes with the newest first, for any number of them. All changes of a viewer would take
// more memory than there is. So it notes where each page of them begins, and then reads these, the last one
// first. What has changed since it noted that is not in its page any more: it comes after the position returned.
func (c *Collection) changesBackwards(ctx context.Context, o ChangesOptions, fn func(*Change) error) (last Cursor, err error) {
	limit, had := o.Limit, o.Since
	o.Descending, o.Limit = false, 0
	starts, n, at := []Cursor{o.Since}, 0, o.Since
	last, err = c.changesSince(ctx, o, had, func(change *Change) error {
		if n > 0 && n%viewedPage == 0 {
			starts = append(starts, at)
		}
		n++
		at = change.Cursor()
		return nil
	})
	if err != nil || n == 0 {
		return last, err
	}
	if had.major() > last.major() { // the feed was read from its beginning
		had, starts[0] = Cursor{}, Cursor{}
	}
	given, end := 0, at
	o.Limit = viewedPage
	for page, start := range slices.Backward(starts) {
		o.Since = start
		all := make([]*Change, 0, viewedPage)
		if _, err := c.changesSince(ctx, o, had, func(change *Change) error {
			if change.Cursor().Compare(end) <= 0 {
				all = append(all, change.clone())
			}
			return nil
		}); err != nil {
			return last, err
		}
		for i, change := range slices.Backward(all) {
			if err := fn(change); err != nil {
				return last, err
			}
			if given++; given == limit && (i > 0 || page > 0) {
				return change.Cursor(), nil
			}
		}
		end = start
	}
	return last, nil
}
