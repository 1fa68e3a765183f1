// A phone with a hybrid app on it, as far as the app can tell: a WebView that shows the
// app's files at https://localhost, the plugins that the app uses, and a browser of its
// own that opens the app when a page leads to the app's scheme.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { launch } from './chromium.mjs'

const origin = 'https://localhost' // cordova-android's
const types = { html: 'text/html', js: 'text/javascript', css: 'text/css', svg: 'image/svg+xml' }

// plugins is Cordova's part of the page: what the plugins put into it, as their pages say
// (cordova-plugin-oauth, cordova-plugin-secure-storage-echo). keychain and browse are
// functions of the test.
function plugins() {
  const { keychain, browse } = window
  const call = (ok, failed, ...args) => keychain(...args).then((value) => (value === null ? failed(new Error('no such key')) : ok(value)))
  class SecureStorage {
    constructor(ok) {
      setTimeout(ok, 0, this)
    }
    get(ok, failed, key) {
      call(ok, failed, 'get', key)
    }
    set(ok, failed, key, value) {
      call(ok, failed, 'set', key, value)
    }
    remove(ok, failed, key) {
      call(ok, failed, 'remove', key)
    }
  }
  window.cordova = { platformId: 'android', plugins: { SecureStorage } }
  window.open = (url, name) => name.startsWith('oauth:') && browse(url)
  window.addEventListener('load', () => document.dispatchEvent(new Event('deviceready')))
}

export class Phone {
  keychain = new Map()
  console = [] // what the app wrote to it
  answers = [] // URLs of the app's scheme
  #waiting

  // make puts the app in folder on a new phone. scheme is the app's; profile a new folder
  // for what the WebView keeps.
  static async make({ folder, scheme, profile }) {
    const phone = new Phone()
    phone.webview = await launch(profile, { viewport: { width: 390, height: 800 }, hasTouch: true })
    phone.browser = await phone.webview.browser().newContext()
    // Chromium asks before a page reaches for this machine; here that is where the server is.
    await phone.webview.grantPermissions(['local-network-access'], { origin })
    await phone.webview.route(`${origin}/**`, async (route) => {
      const path = new URL(route.request().url()).pathname.replace(/\/$/, '/index.html')
      if (path === '/cordova.js') return route.fulfill({ contentType: types.js, body: `(${plugins})()` })
      const body = await readFile(join(folder, path)).catch(() => undefined)
      return route.fulfill(body ? { contentType: types[path.split('.').pop()], body } : { status: 404 })
    })
    await phone.webview.exposeFunction('keychain', (act, key, value) => {
      if (act === 'set') phone.keychain.set(key, value)
      if (act === 'get') return phone.keychain.get(key) ?? null
      if (act === 'remove') phone.keychain.delete(key)
      return ''
    })
    await phone.webview.exposeFunction('browse', (url) => phone.#waiting(url))
    phone.scheme = scheme
    await phone.start()
    return phone
  }

  // start opens the app, which was ended before or is new.
  async start() {
    await this.app?.close()
    this.app = await this.webview.newPage()
    this.app.on('console', (message) => this.console.push(message.text()))
    this.app.on('pageerror', (err) => this.console.push(`error: ${err.stack}`))
    await this.app.goto(`${origin}/`)
  }

  // signIn presses a button of the app, and then the user's own at the provider. The
  // system opens the app with the answer: the one that runs, or after meanwhile() another.
  async signIn(button, user, { meanwhile = () => {} } = {}) {
    const asked = new Promise((opened) => (this.#waiting = opened))
    await this.app.getByRole('button', { name: button, exact: true }).click()
    const url = await asked
    const page = await this.browser.newPage()
    await page.goto(url)
    const [request] = await Promise.all([
      page.waitForEvent('request', (request) => request.url().startsWith(`${this.scheme}:`)),
      page.getByRole('button', { name: user }).click(),
    ])
    const answer = request.url()
    await page.close()
    await meanwhile()
    this.answers.push(answer)
    await this.answer(answer)
  }

  // answer is the system opening the app with a URL.
  async answer(url) {
    await this.app.evaluate((url) => {
      const data = { ...Object.fromEntries(new URL(url).searchParams), oauth_callback_url: url }
      window.dispatchEvent(new MessageEvent('message', { data: `oauth::${JSON.stringify(data)}` }))
    }, url)
  }

  // other is a browser somewhere else, with a page of its own.
  async other(options) {
    return (await this.webview.browser().newContext(options)).newPage()
  }

  turnOff() {
    return this.webview.close()
  }

  offline(is) {
    return this.webview.setOffline(is)
  }
}

// Screen is what a user of the app sees and does, on a phone or in a browser.
export class Screen {
  constructor(page) {
    this.page = page
  }

  // reads waits until the text is there.
  async reads(text, ms = 30_000) {
    await this.page.getByText(text).first().waitFor({ timeout: ms })
  }

  async lacks(text) {
    if (await this.page.getByText(text).count()) throw new Error(`"${text}" is there`)
  }

  async write(text) {
    await this.page.getByLabel('New note').fill(text)
    await this.page.getByRole('button', { name: 'Add' }).click()
    await this.page.getByRole('listitem').getByText(text, { exact: true }).waitFor()
  }

  async edit(from, to) {
    await this.page.getByRole('button', { name: `Edit: ${from}` }).click()
    await this.page.getByRole('textbox', { name: 'Text of the note' }).fill(to)
    await this.page.keyboard.press('Control+Enter')
    await this.page.getByRole('listitem').getByText(to, { exact: true }).waitFor()
  }

  async signOut({ clear = false } = {}) {
    await this.page.getByRole('button', { name: 'Sign out' }).first().click()
    const dialog = this.page.getByRole('dialog')
    if (clear) await dialog.getByRole('checkbox').check()
    await dialog.getByRole('button', { name: 'Sign out' }).click()
    await this.page.getByRole('button', { name: 'Sign in', exact: true }).waitFor()
  }
}
