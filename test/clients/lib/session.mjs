// What every scenario begins with: who signs in where, and which database is synced.
import { signIn } from './signin.mjs'
import { need } from './talk.mjs'
import { remote } from './pouch.mjs'

export const databaseURL = () => `${need('SYNC_URL')}/${process.env.DATABASE ?? 'notes'}`

// signedIn signs a user in at the test's provider and returns the credentials for remote.
export async function signedIn(user = 'alice') {
  if (process.env.TOKEN) return () => process.env.TOKEN
  if (!process.env.ISSUER) return undefined // guest access
  const { id_token } = await signIn({ issuer: need('ISSUER'), clientID: process.env.CLIENT_ID ?? 'notes', user })
  return () => id_token
}

// remoteOf is the server's database as a user sees it.
export async function remoteOf(user, seen) {
  return remote(databaseURL(), await signedIn(user), seen)
}
