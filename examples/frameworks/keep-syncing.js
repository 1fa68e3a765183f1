// The page's side of sync-worker.js. Call it after a change, or when the page is hidden:
//
//   await navigator.serviceWorker.register('/sync-worker.js')
//   document.addEventListener('visibilitychange', () => document.hidden && keepSyncing('notes-alice'))
//   navigator.serviceWorker.addEventListener('message', ({ data }) => data.signedOut && showSignIn())

// keepSyncing has the worker sync a local database. It returns how: 'background', as soon as
// there is a network, whether the page is open or not; or 'now', where the browser has no
// Background Sync or the user does not allow it.
export async function keepSyncing(name) {
  const registration = await navigator.serviceWorker.ready
  try {
    await registration.sync.register(`pouchdb:${name}`)
    return 'background'
  } catch {
    registration.active.postMessage({ sync: name })
    return 'now'
  }
}
