// Svelte: stores, to be read with $ (all versions; in Svelte 5 also by fromStore).
//
//   <script>
//     const db = new PouchDB('notes-alice')
//     const remote = new PouchDB('https://sync.example.com/notes', { skip_setup: true })
//     const notes = documents(db)
//     const sync = syncing(db, remote)
//   </script>
//
//   {#if $sync.state === 'signed-out'}
//     <SignIn on:done={sync.retry} />
//   {:else}
//     <ul aria-busy={$sync.state === 'syncing'}>{#each $notes as note (note._id)}<li>{note.text}</li>{/each}</ul>
//   {/if}
import * as live from './live.js'

export const documents = (db, options) => contract(live.documents(db, options))

export const syncing = (db, remote) => contract(live.syncing(db, remote))

// contract is Svelte's: a subscriber is called with the value, and at once with that of now.
function contract({ get, subscribe, ...more }) {
  return {
    ...more,
    subscribe(run) {
      const leave = subscribe(() => run(get()))
      run(get())
      return leave
    },
  }
}
