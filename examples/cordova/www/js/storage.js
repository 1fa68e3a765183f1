// Secrets on this device: in the Keychain of iOS, encrypted by the Keystore of Android. A
// plain browser has neither, so there they are in memory, and gone when the page is.

// openStorage returns what has get, set and remove. All values are texts; what is not
// there, or can no longer be read, is undefined.
export async function openStorage() {
  const Plugin = window.cordova?.plugins?.SecureStorage
  if (!Plugin) return new MemoryStorage()
  try {
    const plugin = await new Promise((opened, failed) => {
      const plugin = new Plugin(() => opened(plugin), failed, 'notes')
    })
    return new SecureStorage(plugin)
  } catch {
    // Android without a screen lock: the user signs in whenever the app was ended.
    return new MemoryStorage()
  }
}

// SecureStorage is on cordova-plugin-secure-storage-echo. For another plugin, change this.
class SecureStorage {
  #plugin

  constructor(plugin) {
    this.#plugin = plugin
  }

  get(key) {
    // The plugin has one error for everything. A value that a backup brought from another
    // device cannot be decrypted, and is as good as absent.
    return new Promise((got) => this.#plugin.get(got, () => got(undefined), key))
  }

  set(key, value) {
    return new Promise((done, failed) => this.#plugin.set(done, failed, key, value))
  }

  remove(key) {
    return new Promise((done) => this.#plugin.remove(done, done, key))
  }
}

class MemoryStorage {
  #values = new Map()

  async get(key) {
    return this.#values.get(key)
  }

  async set(key, value) {
    this.#values.set(key, value)
  }

  async remove(key) {
    this.#values.delete(key)
  }
}
