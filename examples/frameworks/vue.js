// Vue 3: composables.
//
//   <script setup>
//   const db = new PouchDB('notes-alice')
//   const remote = new PouchDB('https://sync.example.com/notes', { skip_setup: true })
//   const notes = useDocuments(db)
//   const { status, retry } = useSync(db, remote)
//   </script>
//
//   <template>
//     <SignIn v-if="status.state === 'signed-out'" @done="retry" />
//     <ul v-else :aria-busy="status.state === 'syncing'"><li v-for="note in notes" :key="note._id">{{ note.text }}</li></ul>
//   </template>
import { onScopeDispose, readonly, shallowRef } from 'vue'
import { documents, syncing } from './live.js'

// useDocuments is a ref of the documents of a local database. options are those of live.js.
export const useDocuments = (db, options) => follow(documents(db, options))

// useSync syncs while the component is there. status is a ref of {state, reason, refused}.
export function useSync(db, remote) {
  const store = syncing(db, remote)
  return { status: follow(store), retry: store.retry }
}

function follow({ get, subscribe }) {
  const value = shallowRef(get())
  onScopeDispose(subscribe(() => (value.value = get())))
  return readonly(value)
}
