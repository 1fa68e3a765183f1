// Documents that stay as they are in the database, and a sync that says how it goes: what
// the files for React, Svelte and Vue beside this one have in common.
//
// Both are stores: get() is what is there now, and subscribe(changed) has changed() called
// whenever that is another value. The first subscriber starts a store, the last one that
// leaves stops it.

// documents are those of a local database for which filter is true, in the order of their
// IDs. options are allDocs' own, such as startkey and endkey.
export function documents(db, { filter = () => true, ...options } = {}) {
  return store([], (set) => {
    let newest = 0
    const read = async () => {
      const mine = ++newest
      const { rows } = await db.allDocs({ include_docs: true, conflicts: true, ...options })
      if (mine === newest) set(rows.map(({ doc }) => doc).filter(filter))
    }
    const failed = () => {} // the database was closed
    const changes = db.changes({ since: 'now', live: true }).on('change', () => read().catch(failed))
    changes.catch(failed)
    read().catch(failed)
    return () => {
      newest = -1
      changes.cancel()
    }
  })
}

// syncing keeps a local database and the server's the same while somebody looks. remote is
// the server's database, as a PouchDB. Its value is {state, reason, refused}:
//   syncing     something is being sent or received
//   current     both sides are the same, and changes of either come at once
//   offline     the server cannot be reached; it is tried again
//   signed-out  the sign-in has ended: let the user sign in, then call retry()
//   failed      something else that trying again does not help; reason says what
// Once the browser is online again it is tried at once.
// refused is why the server did not take a change, the last one of those that it did not: it stays on this
// device alone, and the sync goes on.
export function syncing(db, remote) {
  let running // the sync of now
  let begin
  let refused
  const status = store({ state: 'syncing' }, (set) => {
    begin = () => {
      running?.cancel()
      const sync = (running = db.sync(remote, { live: true, retry: true, back_off_function }))
      const tell = (state, err) => running === sync && set({ state, reason: err?.reason ?? err?.message, refused })
      // A sync itself does not say why it pauses; its two halves do, each for itself.
      const away = {}
      for (const half of ['push', 'pull']) {
        sync[half].on('active', () => delete away[half])
        sync[half].on('paused', (err) => {
          away[half] = err
          const why = away.push ?? away.pull
          tell(why ? 'offline' : 'current', why)
        })
      }
      sync.on('denied', ({ doc }) => {
        refused = doc?.reason ?? doc?.message
        const { state, reason } = status.get()
        tell(state, { reason })
      })
      sync.on('active', () => tell('syncing')).on('error', (err) => tell(err.status === 401 ? 'signed-out' : 'failed', err))
      sync.catch(() => {}) // told by 'error'
      tell('syncing')
    }
    begin()
    globalThis.addEventListener?.('online', begin)
    return () => {
      globalThis.removeEventListener?.('online', begin)
      running.cancel()
      running = begin = undefined
    }
  })
  return { ...status, retry: () => begin?.() }
}

// PouchDB by itself waits for up to ten minutes before it tries again.
const back_off_function = (ms) => Math.min(ms * 2 || 500, 10_000)

// onlyFor is a fetch for a PouchDB of the server's that asks for this user and for nobody else. The cookie is the
// browser's: when another one has signed in, what is in the one's local database would go to the other. It is 'signed-out' then.
export const onlyFor = (user, fetch) => (url, options) => {
  options.headers.set('If-User', encodeURIComponent(user))
  return fetch(url, options)
}

function store(value, start) {
  const subscribers = new Set()
  let stop
  const set = (next) => {
    value = next
    for (const changed of [...subscribers]) changed()
  }
  return {
    get: () => value,
    subscribe(changed) {
      const subscriber = () => changed()
      subscribers.add(subscriber)
      if (subscribers.size === 1) stop = start(set)
      return () => {
        if (!subscribers.delete(subscriber) || subscribers.size) return
        stop()
        stop = undefined
      }
    },
  }
}
