import { byId, shownMs } from './dom.js'
import { problemOf, reach } from './streams.js'

const manyCount = 20

/** The box to publish from. `page.sends` is told of each id before it goes out, so that delays can be measured. */
export function openPublisher(page) {
  const [form, message, event, answer] = ['publish', 'message', 'event', 'answer'].map(byId)
  let busy = Promise.resolve()
  // One after the other, so that they arrive in the order of the keys that were pressed.
  const queue = (task) => {
    busy = busy.then(task).catch((error) => say(answer, 'failed', `not published: ${error.message}`))
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
  const headers = { 'Content-Type': type === 'json' ? 'application/json' : 'text/plain;charset=utf-8', 'Fanfare-Id': page.sends() }
  if (name !== '') {
    headers['Fanfare-Event'] = encodeURIComponent(name)
    page.learn(name)
  }
  const { ms, response } = await timed(page.channelAddress, { method: 'POST', headers, body: text })
  if (!response.ok) throw new Error((await problemOf(response)).message)
  const { offset, cursor } = await response.json()
  say(answer, 'well', `${response.status} in ${shownMs(ms)} · offset ${offset} · cursor ${cursor}`)
}

async function publishMany(page, answer) {
  const items = Array.from({ length: manyCount }, (_, index) => ({ channel: page.channel, data: { number: index + 1 }, id: page.sends() }))
  const headers = { 'Content-Type': 'application/json' }
  const { ms, response } = await timed(page.batchAddress, { method: 'POST', headers, body: JSON.stringify(items) })
  if (!response.ok) throw new Error((await problemOf(response)).message)
  const results = await response.json()
  const failed = results.find(({ error }) => error !== undefined)
  if (failed !== undefined) throw new Error(failed.error.message)
  const last = results.at(-1)
  say(answer, 'well', `${response.status} in ${shownMs(ms)} · offsets ${results[0].offset} to ${last.offset} · cursor ${last.cursor}`)
}

async function timed(address, request) {
  const begun = performance.now()
  const response = await reach(address, request)
  return { response, ms: performance.now() - begun }
}

function say(answer, kind, text) {
  answer.dataset.kind = kind
  answer.textContent = text
}
