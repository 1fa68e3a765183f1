// A person who uses the quickstart's app in a browser of their own, as far as they can tell:
// by what the page says, and by what can be pressed and filled in.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

export class Person {
  console = [] // what went wrong in the page

  // make opens a browser window of a new profile. seen is told the URL of each request.
  static async make(browser, site, name, { seen = () => {}, ...options } = {}) {
    const person = new Person()
    person.site = site
    person.name = name
    person.context = await browser.newContext({ viewport: { width: 1280, height: 900 }, locale: 'en-GB', ...options })
    // Also what the service worker asks for.
    person.context.on('request', (request) => seen(request.url()))
    await person.open()
    return person
  }

  // open opens the app in a tab, as after a restart of the browser.
  async open() {
    await this.page?.close()
    this.page = await this.context.newPage()
    this.page.setDefaultTimeout(20_000)
    this.page.on('pageerror', (err) => this.console.push(`error: ${err.stack}`))
    this.page.on('console', (message) => {
      // The browser itself tells of every answer that is no success: of a checkpoint that is not there yet, of a lost network.
      if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) this.console.push(`console: ${message.text()}`)
    })
    await this.page.goto(`${this.site}/`)
  }

  button(name) {
    return this.page.getByRole('button', { name, exact: true })
  }

  // press presses the button that can be seen.
  press(name) {
    return this.button(name).filter({ visible: true }).first().click()
  }

  // reads waits until the text can be seen.
  reads(text, ms = 20_000) {
    return this.page.getByText(text).filter({ visible: true }).first().waitFor({ timeout: ms })
  }

  // lacks waits until the text cannot be seen.
  async lacks(text, ms = 20_000) {
    const end = Date.now() + ms
    while (await this.page.getByText(text).filter({ visible: true }).count()) {
      if (Date.now() > end) throw new Error(`${this.name} still reads "${text}"`)
      await new Promise((go) => setTimeout(go, 25))
    }
  }

  // signIn signs in at the provider; there does what the test wants to do at its page.
  async signIn({ button = 'Sign in', as = this.name, there = async () => {} } = {}) {
    await this.press(button)
    await this.page.getByRole('button', { name: 'Cancel' }).waitFor()
    await there()
    await this.page.getByRole('button', { name: new RegExp(`^${as}`, 'i') }).click()
    await this.page.waitForURL((url) => url.pathname === '/')
    await this.reads(/^Up to date$/)
  }

  async makeList(name) {
    await this.page.getByLabel('New list').fill(name)
    await this.press('Create')
    await this.page.getByRole('heading', { name, exact: true }).waitFor()
  }

  async choose(name) {
    await this.page.getByRole('link', { name: new RegExp(`^${name}`) }).click()
    await this.page.getByRole('heading', { name, exact: true }).waitFor()
  }

  async add(text) {
    await this.page.getByLabel('Add to the list').fill(text)
    await this.page.keyboard.press('Enter')
    await this.item(text).waitFor()
  }

  item(text) {
    return this.page.getByRole('checkbox', { name: new RegExp(`^${text}`) })
  }

  // change opens an item's dialog, does work in it, and saves, unless work has.
  async change(text, work, save = true) {
    await this.press(`Edit ${text}`)
    await work(this.page.getByRole('dialog'))
    if (save) await this.press('Save')
    await this.page.getByRole('dialog').waitFor({ state: 'hidden' })
  }

  edit(from, to) {
    return this.change(from, (dialog) => dialog.getByLabel('Text', { exact: true }).fill(to))
  }

  // sharing opens the dialog and does work in it.
  async sharing(work) {
    await this.press('Share')
    const dialog = this.page.getByRole('dialog')
    await work(dialog)
    await dialog.getByRole('button', { name: 'Close' }).click()
  }

  share(name) {
    return this.sharing(async (dialog) => {
      await dialog.getByLabel('Share with').fill(name)
      await this.page.keyboard.press('Enter')
      await dialog.getByRole('button', { name: `Remove ${name}` }).waitFor()
    })
  }

  unshare(name) {
    return this.sharing(async (dialog) => {
      await dialog.getByRole('button', { name: `Remove ${name}` }).click()
      await dialog.getByRole('button', { name: `Remove ${name}` }).waitFor({ state: 'hidden' })
    })
  }

  offline(is) {
    return this.context.setOffline(is)
  }

  // photograph keeps what the page looks like in both colour schemes, on a phone and on a
  // desktop. look(where, width) is called before each picture.
  async photograph(folder, view, look = async () => {}) {
    const kept = this.page.viewportSize()
    for (const width of [390, 1280]) {
      await this.page.setViewportSize({ width, height: width === 390 ? 844 : 900 })
      for (const colorScheme of ['light', 'dark']) {
        await this.page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
        await look(`${view}, ${colorScheme}, ${width} px`, width)
        writeFileSync(join(folder, `${view}-${width}-${colorScheme}.png`), await this.page.screenshot())
      }
    }
    await this.page.emulateMedia({ colorScheme: 'light' })
    await this.page.setViewportSize(kept)
  }
}
