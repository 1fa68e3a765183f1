// A service worker that keeps sync going when the page is gone. Register it beside the page,
// or import it into a service worker that you have (importScripts).
//
// Where the browser has Background Sync (Chrome, Edge and others of Chromium) it wakes this worker
// once there is a network, also when no page of the app is open, and again later if that
// failed. Elsewhere (Firefox, Safari) a worker runs only while the browser lets it: a message
// of the page has it sync once more, which outlives the page by some seconds at most, and
// what was not sent then is sent when the app is opened again.

/* global PouchDB */
importScripts('/lib/pouchdb.min.js')

const remote = `${location.origin}/notes` // the session's cookie goes along by itself
const prefix = 'pouchdb:' // before the name of the local database
const userOf = (name) => name.slice('notes-'.length) // whose a local database is: the page calls it notes-alice

addEventListener('install', () => skipWaiting())
addEventListener('activate', (event) => event.waitUntil(clients.claim()))

addEventListener('sync', (event) => {
  if (event.tag.startsWith(prefix)) event.waitUntil(syncOnce(event.tag.slice(prefix.length)))
})

addEventListener('message', (event) => {
  if (event.data?.sync) event.waitUntil(syncOnce(event.data.sync).catch(() => {}))
})

// syncOnce sends and gets what there is. A failure makes the browser try again; signed out,
// that would be of no use, so the pages are told. So they are if somebody else has signed in since the
// page asked: the session would be theirs, and take the one's documents for the other's, so each request
// says whose it is. They are told what the server refused, too: it stays on this device alone.
async function syncOnce(name) {
  const db = new PouchDB(name)
  const ask = (url, options) => {
    options.headers.set('If-User', encodeURIComponent(userOf(name)))
    return PouchDB.fetch(url, options)
  }
  try {
    const { push, pull } = await db.sync(new PouchDB(remote, { skip_setup: true, fetch: ask }))
    await tell({ synced: name, sent: push.docs_written, received: pull.docs_written, refused: push.errors.map(({ id, reason }) => ({ id, reason })) })
  } catch (err) {
    if (err.status !== 401) throw err
    await tell({ signedOut: name })
  } finally {
    await db.close()
  }
}

async function tell(news) {
  for (const page of await clients.matchAll({ includeUncontrolled: true })) page.postMessage(news)
}
