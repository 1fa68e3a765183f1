// node backend/add-user.mjs alice: asks for a password and prints the secret for her
// authenticator app.
import { randomBytes } from 'node:crypto'
import { ask, done } from '../terminal.mjs'
import { hashPassword, maxPassword } from './password.mjs'
import { base32, keyURI } from './totp.mjs'
import { Users, validName } from './users.mjs'

const name = process.argv[2] ?? ''
if (!validName(name)) fail('usage: node backend/add-user.mjs <name> (a-z, 0-9, . _ -)')
const password = await ask(`Password for ${name}: `, { hidden: true })
if (password.length < 12 || password.length > maxPassword) fail(`a password has 12 to ${maxPassword} characters`)

const secret = randomBytes(20)
try {
  new Users(process.env.USERS ?? './users').add(name, await hashPassword(password), secret)
} catch (err) {
  fail(err.code === 'EEXIST' ? `${name} is there already` : err.message)
}
console.log(`\nEnter this key into an authenticator app (time-based, 6 digits):\n\n  ${base32(secret)}\n`)
console.log(`or make a QR code of it:\n\n  ${keyURI(name, secret, 'Notes')}\n`)
done()

function fail(text) {
  console.error(text)
  process.exit(1)
}
