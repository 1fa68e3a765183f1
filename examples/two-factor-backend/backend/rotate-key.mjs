// node backend/rotate-key.mjs: a new signing key. With --revoke the old ones no longer
// count: for when one was stolen. The backend does the former by itself once a month.
import { Keys } from './keys.mjs'

const revoke = process.argv[2] === '--revoke'
new Keys(process.env.KEYS ?? './keys', 5 * 60).rotate(Date.now() / 1000, { revoke })
console.log(revoke ? 'The new key signs; the old ones are gone.' : 'The new key is published and signs in a few seconds.')
