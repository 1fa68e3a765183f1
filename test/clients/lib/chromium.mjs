// A real browser: the Chromium that is installed, driven by playwright-core, which brings
// none of its own.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { chromium } from 'playwright-core'
import { need } from './talk.mjs'

const options = () => ({
  executablePath: need('CHROMIUM'),
  args: process.getuid?.() === 0 ? ['--no-sandbox'] : [], // the sandbox does not work for root
})

// launch starts it without a window.
export function launch() {
  return chromium.launch(options())
}

// launchProfile starts one with a profile of its own, in a new folder: a context that keeps
// the cookies of other sites, as Cordova tells Android's WebView to. Chromium by itself
// does not, and never in the contexts of launch, which are private windows.
export function launchProfile(folder, more) {
  mkdirSync(join(folder, 'Default'), { recursive: true })
  writeFileSync(join(folder, 'Default', 'Preferences'), JSON.stringify({ profile: { cookie_controls_mode: 0, block_third_party_cookies: false } }))
  return chromium.launchPersistentContext(folder, { ...options(), ...more })
}
