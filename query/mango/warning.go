package mango

import (
	"strings"

	"github.com/caddysync/caddy-sync/syncstore"
)

// scanRatio is how many documents may be looked at for each that is found before CouchDB warns.
const scanRatio = 10

// warning is what CouchDB says of a query that could be better answered. It counts nothing that
// the viewer may not see. One case differs: IDs that are named need no index.
func (q *Query) warning(stats *Stats) string {
	var all []string
	if use := q.request.useIndex; len(use) > 0 && !q.question.names(q.plan.Index) {
		name := strings.TrimPrefix(use[0], syncstore.DesignPrefix)
		if len(use) == 1 {
			all = append(all, "_design/"+name+" was not used because it does not contain a valid index for this query.")
		} else {
			all = append(all, "_design/"+name+", "+use[1]+" was not used because it is not a valid index for this query.")
		}
	}
	if q.plan.Index.Special() && !q.plan.Points {
		all = append(all, "No matching index found, create an index to optimize query time.")
	}
	if stats.Documents > scanRatio*max(stats.Results, 1) {
		all = append(all, "The number of documents examined is high in proportion to the number of results returned. "+
			"Consider adding a more specific index to improve this.")
	}
	return strings.Join(all, "\n")
}
