// Whether somebody may have a token: a password, a code, and not too many attempts.
import { Attempts } from './attempts.mjs'
import { maxPassword, nobodys, passwordMatches } from './password.mjs'
import { acceptedCounter } from './totp.mjs'
import { validName } from './users.mjs'

const quarterHour = 15 * 60
const maxAtOnce = 16 // passwords being judged: each takes memory and a core

// Refusal is what the client may know; why and user are for the log.
export class Refusal extends Error {
  constructor(status, reason, { why = reason, user, retryAfter = 0 } = {}) {
    super(reason)
    Object.assign(this, { status, why, user, retryAfter })
  }
}

// One answer for all that can be wrong: it does not tell which of the two was right.
const wrong = (why, user) => new Refusal(401, 'name, password or code is wrong, or the code was used before', { why, user })
const tooMany = (why, retryAfter) => new Refusal(429, 'too many attempts: wait', { why, retryAfter })

export class Login {
  // Who guesses at one name is stopped early; who shares an address with others is not.
  #pairs = new Attempts({ limit: 5, seconds: quarterHour })
  #addresses = new Attempts({ limit: 30, seconds: quarterHour })
  // Codes by name alone, wherever they come from: there are only a million. It counts
  // after the password was right, so that strangers lock nobody out.
  #codes = new Attempts({ limit: 5, seconds: quarterHour })
  #atOnce = 0

  constructor(users, matches = passwordMatches) {
    Object.assign(this, { users, matches })
  }

  // check returns the user's name or throws a Refusal. now is in seconds.
  async check({ name, password, code }, address, now) {
    if (![name, password, code].every((given) => typeof given === 'string') || password.length > maxPassword) {
      throw new Refusal(400, 'send {"name":"…","password":"…","code":"123456"}')
    }
    name = name.trim().toLowerCase()
    code = code.replace(/\s/g, '')
    const pair = `${address} ${name.slice(0, 64)}`
    let wait = this.#addresses.take(address, now)
    if (wait) throw tooMany('too many of the address', wait)
    wait = this.#pairs.take(pair, now)
    if (wait) throw tooMany('too many of the name and address', wait)

    const user = validName(name) ? this.users.get(name) : undefined
    const right = await this.#judge(password, user?.password ?? nobodys)
    if (!user) throw wrong('unknown name') // which may be a password, typed one field too early
    if (!right) throw wrong('password', name)
    // From here to the end nothing waits: of two requests with one code, one gets in.
    if (this.#codes.take(name, now)) throw wrong('too many codes', name)
    const counter = acceptedCounter(user.secret, code, now, this.users.lastUsed(name))
    if (counter === undefined) throw wrong('code', name)
    this.users.use(name, counter)

    this.#codes.clear(name)
    this.#pairs.clear(pair)
    this.#addresses.release(address)
    return name
  }

  async #judge(password, stored) {
    if (this.#atOnce >= maxAtOnce) throw new Refusal(503, 'too many at once: try again', { retryAfter: 1 })
    this.#atOnce++
    try {
      return await this.matches(password, stored)
    } finally {
      this.#atOnce--
    }
  }
}
