// Keeping the local database and the server's the same, as long as there is a network and
// a sign-in.

/* global PouchDB */

// Sync tells changed(state, reason) what is going on:
//   syncing   something is being sent or received
//   current   both sides are the same, and changes of either come at once
//   offline   the server cannot be reached; it is tried again
//   ended     the sign-in has ended; only the user can go on
//   refused   this account may not come in
//   failed    something else that trying again does not help
export class Sync {
  #local
  #url
  #user
  #session
  #changed
  #running
  #offline = false

  // user is whose the local database is.
  constructor({ local, url, user, session, changed }) {
    this.#local = local
    this.#url = url
    this.#user = user
    this.#session = session
    this.#changed = changed
  }

  start() {
    this.stop()
    const remote = new PouchDB(this.#url, { skip_setup: true, fetch: (url, options) => this.#fetch(url, options) })
    forgiveInfo(remote)
    const sync = this.#local.sync(remote, { live: true, retry: true, back_off_function: (ms) => Math.min(ms * 2 || 500, 30_000) })
    const tell = (state, reason) => this.#running === sync && this.#changed(state, reason)
    this.#running = sync
    tell('syncing')
    sync
      .on('active', () => this.#offline || tell('syncing'))
      .on('paused', () => tell(this.#offline ? 'offline' : 'current'))
      .on('denied', (err) => tell('failed', `A note was refused: ${err.doc?.reason ?? err.doc?.message ?? 'not allowed'}`))
      .on('error', (err) => tell({ 401: 'ended', 403: 'refused' }[err.status] ?? 'failed', err.reason ?? err.message))
    sync.catch(() => {}) // told by 'error'
  }

  // stop ends at once; what has not been sent yet is sent after the next start. It returns a
  // promise of when the local database is left alone: at the latest after a second, since
  // PouchDB says nothing where it was waiting to try again.
  stop() {
    const sync = this.#running
    this.#running = undefined
    if (!sync) return Promise.resolve()
    sync.cancel()
    return Promise.race([sync.catch(() => {}), new Promise((late) => setTimeout(late, 1000))])
  }

  // retry does not wait until it is time to try again.
  retry() {
    if (this.#running) this.start()
  }

  // lost is told by the system, long before a request fails.
  lost() {
    if (!this.#running) return
    this.#offline = true
    this.#changed('offline')
  }

  async #fetch(url, options) {
    try {
      // For this user and for nobody else: a sign-in that was broken off may have left the session of another one.
      options.headers.set('If-User', encodeURIComponent(this.#user))
      const response = await this.#session.fetch(url, options)
      this.#offline = false
      return response
    } catch (err) {
      this.#offline = err.name !== 'AbortError'
      if (this.#offline && this.#running) this.#changed('offline')
      throw err
    }
  }
}

// PouchDB 9 asks for the size of the database after each batch, for its list of tasks only, and
// leaves a failure of that unhandled: without a network it would be an error of the page. What
// matters fails by itself, and is told.
function forgiveInfo(remote) {
  const info = remote.info.bind(remote)
  remote.info = () => info().catch(() => ({ db_name: remote.name, update_seq: 0 }))
}
