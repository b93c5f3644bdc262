import { byId, shownMs } from './dom.js'
import { send } from './send.js'

const manyCount = 20

/** The box to publish from. `page.sends` is told of each id before it goes out, so that delays can be measured. */
export function openPublisher(page) {
  const [form, message, event, answer] = ['publish', 'message', 'event', 'answer'].map(byId)
  let busy = Promise.resolve()
  // One after the other, so that they arrive in the order of the keys that were pressed.
  const queue = (task) => {
    busy = busy.then(task).catch((error) => say(answer, 'failed', error.message))
  }

  form.addEventListener('submit', (submitted) => {
    submitted.preventDefault()
    const text = message.value
    if (text === '') return message.focus()
    const type = form.elements.type.value
    const name = event.value.trim()
    message.select()
    queue(() => publishOne(page, answer, { text, type, name }))
  })
  message.addEventListener('keydown', (key) => {
    if (key.key !== 'Enter' || key.shiftKey || key.isComposing) return
    key.preventDefault()
    form.requestSubmit()
  })
  byId('many').addEventListener('click', () => queue(() => publishMany(page, answer)))
}

async function publishOne(page, answer, { text, type, name }) {
  const id = page.sends()
  const headers = { 'Content-Type': type === 'json' ? 'application/json' : 'text/plain;charset=utf-8', 'Fanfare-Id': id }
  if (name !== '') {
    headers['Fanfare-Event'] = encodeURIComponent(name)
    page.learn(name)
  }
  const { status, ms, result } = await send(page.channelAddress, { headers, body: text }, id, (why) => say(answer, 'waiting', why))
  say(answer, 'well', `${status} in ${shownMs(ms)} · offset ${result.offset} · cursor ${result.cursor}`)
}

async function publishMany(page, answer) {
  const items = Array.from({ length: manyCount }, (_, index) => ({ channel: page.channel, data: { number: index + 1 }, id: page.sends() }))
  const request = { headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(items) }
  const { status, ms, result } = await send(page.batchAddress, request, items[0].id, (why) => say(answer, 'waiting', why))
  const failed = result.find(({ error }) => error !== undefined)
  if (failed !== undefined) throw new Error(`not published: ${failed.error.message}`)
  const last = result.at(-1)
  say(answer, 'well', `${status} in ${shownMs(ms)} · offsets ${result[0].offset} to ${last.offset} · cursor ${last.cursor}`)
}

function say(answer, kind, text) {
  answer.dataset.kind = kind
  answer.textContent = text
}
