import { takeAnswer } from './messages.js'
import { problemOf, reach } from './streams.js'

/** How often the lanes ask that are not held. */
const pauseMs = 2000
const waitSeconds = 25
const scriptMs = 10_000
/** An answer that isn't held is late then: most often the browser has no connection left. */
const lateMs = 4000

export const longPoll = {
  name: 'long-poll',
  title: 'Long-polling',
  about: `fetch, held for ${waitSeconds} s`,
  held: true,
  open: (call) => openPolls(call, askFetch, { wait: waitSeconds }),
}

export const poll = {
  name: 'poll',
  title: 'Polling',
  about: `fetch every ${pauseMs / 1000} s`,
  held: false,
  open: (call) => openPolls(call, askFetch, { pause: pauseMs }),
}

export const jsonp = {
  name: 'jsonp',
  title: 'JSONP',
  about: `a script every ${pauseMs / 1000} s`,
  held: false,
  open: (call) => openPolls(call, askScript, { pause: pauseMs }),
}

/** Asks again and again, each time from the last cursor. The first answer is not waited for, so that the place is known at once. */
function openPolls(call, ask, { wait, pause = 0 }) {
  const abort = new AbortController()
  const run = async () => {
    for (let first = true; !abort.signal.aborted; first = false) {
      const held = wait !== undefined && !first
      const late = held ? undefined : setTimeout(() => call.late(), lateMs)
      const answer = await ask(call, wait === undefined ? {} : { wait: held ? wait : 0 }, abort.signal).finally(() => clearTimeout(late))
      takeAnswer(call, answer)
      if (pause > 0 && answer.more !== true) await sleep(pause, abort.signal)
    }
  }
  run().catch((error) => call.ended(error))
  return { close: () => abort.abort() }
}

async function askFetch(call, parameters, signal) {
  const response = await reach(call.address(parameters), { signal, cache: 'no-store' })
  return response.ok ? await response.json() : { error: await problemOf(response) }
}

/** The script calls a function of the page. A script element takes the nonce of the page's own, which is all that its policy lets run. */
async function askScript(call, parameters, signal) {
  const script = document.createElement('script')
  const { promise, resolve, reject } = openPromise()
  window.fanfareAnswer = resolve
  script.addEventListener('error', () => reject(new Error('no connection')))
  script.addEventListener('load', () => reject(new Error('the script did not call')))
  signal.addEventListener('abort', () => reject(new Error('stopped')), { once: true })
  const late = setTimeout(() => reject(new Error('no script came')), scriptMs)
  script.nonce = document.querySelector('script[nonce]').nonce
  script.src = call.address({ ...parameters, callback: 'fanfareAnswer' })
  document.head.append(script)
  try {
    return await promise
  } finally {
    clearTimeout(late)
    script.remove()
  }
}

function openPromise() {
  const parts = {}
  parts.promise = new Promise((resolve, reject) => Object.assign(parts, { resolve, reject }))
  return parts
}

function sleep(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms)
    signal.addEventListener('abort', () => {
      clearTimeout(timer)
      resolve()
    })
  })
}
