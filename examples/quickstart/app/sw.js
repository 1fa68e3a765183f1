// The service worker: it keeps the app's own files, so that the app opens without a network.
// The documents are not its business: they are in IndexedDB, and PouchDB syncs them.

const cacheName = 'shell'
const shell = [
  '/', '/app.css', '/icon.svg', '/manifest.json', '/lib/pouchdb.min.js',
  '/js/lists.js', '/js/main.js', '/js/photo.js', '/js/session.js', '/js/signin.js', '/js/sync.js', '/js/tabs.js', '/js/view.js',
]

// The site answers "/" with the page to those who want HTML, and as a sync server to others.
const request = (path) => new Request(path, { headers: { Accept: 'text/html, */*' }, cache: 'no-cache' })

addEventListener('install', (event) => {
  event.waitUntil(caches.open(cacheName).then((cache) => cache.addAll(shell.map(request))).then(() => skipWaiting()))
})

addEventListener('activate', (event) => event.waitUntil(clients.claim()))

addEventListener('fetch', (event) => {
  const { method, mode, url } = event.request
  const { pathname, origin } = new URL(url)
  if (method !== 'GET' || origin !== location.origin || !shell.includes(pathname)) return
  if (pathname === '/' && mode !== 'navigate') return
  event.respondWith(newest(event, pathname))
})

// newest asks the server first, so that a change is seen at the next load, and takes what
// was kept when there is no answer within 3 s.
async function newest(event, path) {
  const cache = await caches.open(cacheName)
  const kept = () => cache.match(path, { ignoreVary: true })
  const asked = fetch(request(path)).then(async (response) => {
    if (!response.ok) return (await kept()) ?? response
    event.waitUntil(cache.put(path, response.clone()))
    return response
  })
  const late = new Promise((take) => setTimeout(take, 3000)).then(kept)
  try {
    return (await Promise.race([asked, late])) ?? (await asked)
  } catch {
    return (await kept()) ?? Response.error()
  }
}
