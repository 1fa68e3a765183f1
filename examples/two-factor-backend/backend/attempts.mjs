// Attempts counts what was tried under a key and says how long to wait after too many.
// It keeps a bounded number of keys.
export class Attempts {
  #seen = new Map() // key → { count, until }, oldest first

  constructor({ limit, seconds, capacity = 10_000 }) {
    Object.assign(this, { limit, seconds, capacity })
  }

  // take counts an attempt, before it is judged: parallel guesses count too. It returns
  // 0, or the seconds to wait.
  take(key, now) {
    let entry = this.#seen.get(key)
    if (entry && entry.until <= now) {
      this.#seen.delete(key)
      entry = undefined
    }
    if (!entry) {
      if (this.#seen.size >= this.capacity) this.#seen.delete(this.#seen.keys().next().value)
      entry = { count: 0, until: now + this.seconds }
      this.#seen.set(key, entry)
    }
    if (entry.count >= this.limit) return Math.ceil(entry.until - now)
    entry.count++
    return 0
  }

  // release takes back one attempt: it was a good one.
  release(key) {
    const entry = this.#seen.get(key)
    if (entry) entry.count = Math.max(0, entry.count - 1)
  }

  clear(key) {
    this.#seen.delete(key)
  }
}
