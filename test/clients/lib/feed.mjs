// A _changes feed as raw HTTP, read to its end.
import assert from 'node:assert/strict'

// openFeed opens a feed whose headers have come. ended is a promise of its whole body and
// of when it ended.
export async function openFeed(database, { kind = 'continuous', since = 'now', headers = {} } = {}) {
  const response = await fetch(`${database}/_changes?feed=${kind}&since=${encodeURIComponent(since)}&heartbeat=60000`, { headers })
  assert.equal(response.status, 200, `the feed was refused with ${response.status}`)
  const ended = response.text().then((body) => ({ body, at: Date.now() }))
  ended.catch(() => {}) // whoever awaits it is told
  return { kind, ended }
}
