package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/caddysync/caddy-sync/test/harness"

	"github.com/caddysync/caddy-sync/access"
	"github.com/caddysync/caddy-sync/syncstore"
)

const (
	createBar = 25 * time.Microsecond
	updateBar = 45 * time.Microsecond
	runs      = 2000 // of the function in a round
)

// usualFunction is a sync function of the usual shape: it checks who writes, and puts the
// document into a channel that some users get.
const usualFunction = `function (doc, oldDoc) {
  if (oldDoc) {
    if (doc.owner !== oldDoc.owner) throw ({ forbidden: 'an owner stays' })
    requireAccess('list:' + doc.n)
  } else {
    requireUser(doc.owner)
  }
  channel('list:' + doc.n)
  access([doc.owner, 'bob', 'carol'], 'list:' + doc.n)
}`

// member is the user of the row: it has every channel.
type member struct{}

func (member) Name() string           { return "alice" }
func (member) HasRole(string) bool    { return true }
func (member) Roles() []string        { return nil }
func (member) HasChannel(string) bool { return true }

// syncFunctionRow measures a sync function on a document of 1 KB, in this process: the
// processor's time, garbage collection and the documents' conversion included.
func (b *bench) syncFunctionRow(ctx context.Context) error {
	f, err := access.NewSyncFunction("usual.js", usualFunction, access.Options{})
	if err != nil {
		return fmt.Errorf("compiling the sync function: %w", err)
	}
	body := append(append([]byte(`{"owner":"alice",`), appendMembers(nil, 1, bodySize-20)...), '}')
	doc := &syncstore.Document{ID: documentID(1), Rev: syncstore.Rev{Gen: 1, Digest: "0123456789abcdef0123456789abcdef"}, Body: body}
	reference, err := b.cpuOf(func() error {
		var value any
		return json.Unmarshal(body, &value)
	})
	if err != nil {
		return err
	}
	for _, one := range []struct {
		name  string
		write syncstore.Evaluation
		bar   time.Duration
	}{
		{"create", syncstore.Evaluation{Writer: member{}, New: doc}, createBar},
		{"update", syncstore.Evaluation{Writer: member{}, New: doc, Old: doc}, updateBar},
	} {
		cost, err := b.cpuOf(func() error {
			_, err := f.Evaluate(ctx, one.write)
			return err
		})
		if err != nil {
			return fmt.Errorf("%s: %w", one.name, err)
		}
		b.add(row{
			work: "sync function, " + one.name + " of a 1 KB document, conversion included", bar: "≤ " + one.bar.String(),
			measured: cost.String() + " of CPU", ratio: cost.Seconds() / one.bar.Seconds(), pass: cost <= one.bar,
			notes: []string{fmt.Sprintf("encoding/json takes %s to unmarshal the same document", reference)},
		})
	}
	return nil
}

// cpuOf is this process's processor time for one call, the median of rounds of many.
func (b *bench) cpuOf(call func() error) (time.Duration, error) {
	var costs []time.Duration
	for range b.rounds * 4 {
		before, err := harness.CPUTime(os.Getpid())
		if err != nil {
			return 0, err
		}
		for range runs {
			if err := call(); err != nil {
				return 0, err
			}
		}
		after, err := harness.CPUTime(os.Getpid())
		if err != nil {
			return 0, err
		}
		costs = append(costs, (after-before)/runs)
	}
	return median(costs), nil
}
