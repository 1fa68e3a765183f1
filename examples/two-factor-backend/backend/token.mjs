// The JSON Web Token that says who signed in, and how (RFC 7519, RFC 8037).
import { createPrivateKey, randomUUID, sign } from 'node:crypto'

const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')

export function newToken(name, { jwk, issuer, audience, lifetime, now }) {
  const iat = Math.floor(now)
  const header = { alg: 'EdDSA', typ: 'JWT', kid: jwk.kid }
  const claims = {
    iss: issuer,
    aud: audience,
    sub: name,
    iat,
    exp: iat + lifetime,
    jti: randomUUID(),
    amr: ['pwd', 'otp'], // RFC 8176: what was checked; the Caddyfile requires otp
  }
  const signed = `${part(header)}.${part(claims)}`
  const key = createPrivateKey({ key: jwk, format: 'jwk' })
  return `${signed}.${sign(null, Buffer.from(signed), key).toString('base64url')}`
}
