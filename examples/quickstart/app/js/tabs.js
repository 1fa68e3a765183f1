// Several tabs of one browser: one of them syncs for all, since a browser keeps six
// connections to a server, and every sync holds one.

// lead calls work when this tab is the one, and never if another is for as long as this one
// is open. It returns a function that gives the lead up.
export function lead(user, work) {
  const given = new AbortController()
  navigator.locks
    .request(`sync:${user}`, { signal: given.signal }, () => {
      work()
      return new Promise((over) => given.signal.addEventListener('abort', over))
    })
    .catch(() => {}) // given up before it was had
  return () => given.abort()
}

// News goes to the other tabs: of which user, and what.
export class News {
  #channel = new BroadcastChannel('lists')

  constructor(heard) {
    this.#channel.onmessage = ({ data }) => heard(...data)
  }

  tell(user, ...what) {
    this.#channel.postMessage([user, ...what])
  }
}
