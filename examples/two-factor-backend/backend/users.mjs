// The users: a file for each, with hash and secret, and beside it the last code used. In
// production this is your database.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readIfThere, replaceFile } from './files.mjs'

// A name is also a file's, and a user's at the sync server.
export const validName = (name) => /^[a-z0-9][a-z0-9._-]{0,63}$/.test(name)

export class Users {
  constructor(folder) {
    this.folder = folder
    mkdirSync(folder, { recursive: true, mode: 0o700 })
  }

  // get returns { password, secret }, or undefined.
  get(name) {
    const text = readIfThere(join(this.folder, `${name}.json`))
    if (text === undefined) return undefined
    const { password, secret } = JSON.parse(text)
    return { password, secret: Buffer.from(secret, 'base64url') }
  }

  // add fails if there is a user of that name.
  add(name, password, secret) {
    const text = JSON.stringify({ password, secret: secret.toString('base64url') })
    writeFileSync(join(this.folder, `${name}.json`), text, { mode: 0o600, flag: 'wx' })
  }

  // lastUsed is the counter of the last code that signed this user in.
  lastUsed(name) {
    return Number(readIfThere(join(this.folder, `${name}.used`)) ?? -1)
  }

  // use is on disk before anybody is let in: no code counts again after a crash.
  use(name, counter) {
    replaceFile(join(this.folder, `${name}.used`), String(counter), 0o600)
  }
}
