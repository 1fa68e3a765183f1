// What an app of your own changes. The servers' addresses stand in the
// Content-Security-Policy of index.html too, and the scheme of redirectURI in config.xml.
export const config = {
  // The database, as the sync server publishes it.
  database: 'http://localhost:8080/notes',

  // The identity provider, exactly as its tokens have it in `iss`, and the app there: a
  // public client, without a secret.
  issuer: 'http://localhost:8080/idp',
  clientID: 'notes',
  scope: 'openid profile offline_access',

  // Where the provider sends the system's browser, which opens the app with it.
  redirectURI: 'com.example.notes://signed-in',
}
