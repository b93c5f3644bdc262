// The load generator: receivers and publishers in one process, so that it knows when each publication was sent and where it arrived.
// No figure leaves it if anything was lost, doubled, changed or out of order.
import { answerParent } from '../lib/child.mjs'
import { Histogram } from '../lib/statistics.mjs'
import { Deliveries } from './deliveries.mjs'
import { LongPoll } from './long-poll.mjs'
import { makePayload } from './payload.mjs'
import { Publisher } from './publisher.mjs'
import { Receiver } from './receiver.mjs'
import { Spread } from './spread.mjs'

/** @type {(Receiver | LongPoll)[]} */
let receivers = []
/** @type {string[]} */
let problems = []
/** @type {(index: number, number: number) => void} */
let onPayload = () => undefined
/** The number of the next publication of the common channel. */
let next = 1

const onProblem = (/** @type {string} */ problem) => void problems.push(problem)
const sleep = (/** @type {number} */ ms) => new Promise((resolve) => setTimeout(resolve, ms))

function check() {
  if (problems.length > 0) throw new Error(`the run is void, ${problems.length} problems, the first: ${problems[0]}`)
}

answerParent({
  connect: connectReceivers,
  hold,
  wake,
  paced,
  windowed,
  spread,
  oneByOne,
  catchUp,
  trickle,
  trickled,
  check,
  /** The next publication has this number. @param {number} number */
  numberFrom(number) {
    next = number
  },
})

/**
 * Receivers besides those that are there; `{n}` in the path is the index.
 * @param {{ port: number, transport: 'websocket' | 'sse' | 'stream', path: string, count: number }} plan
 */
async function connectReceivers({ port, transport, path, count }) {
  const begun = performance.now()
  await open(
    count,
    (index) =>
      new Receiver({
        port,
        transport,
        path: path.replace('{n}', String(index)),
        onProblem,
        onPayload: (number) => onPayload(index, number),
      }),
  )
  return { seconds: (performance.now() - begun) / 1000 }
}

/** So many receivers, some at a time. @param {number} count @param {(index: number) => Receiver | LongPoll} make */
async function open(count, make) {
  for (let made = 0; made < count;) {
    const group = Array.from({ length: Math.min(100, count - made) }, () => {
      const receiver = make(receivers.length)
      receivers.push(receiver)
      return receiver.opened
    })
    await Promise.race([Promise.all(group), sleep(10_000).then(() => Promise.reject(new Error(`no answer in 10 s; ${problems[0] ?? ''}`)))])
    made += group.length
    check()
  }
}

/**
 * Receivers that ask, are held and ask again. All begin at a publication that is made for it: whoever is not held yet when the next one comes gets it too.
 * @param {{ port: number, path: string, count: number, bytes: number }} plan
 */
async function hold({ port, path, count, bytes }) {
  const publisher = new Publisher({ port, connections: 1, onProblem })
  await publisher.opened()
  /** @type {string} */
  const answer = await Promise.race([new Promise((resolve) => publisher.publish(0, path, makePayload(next++, bytes), resolve)), failure()])
  publisher.close()
  const { cursor } = JSON.parse(answer)
  await open(count, (index) => new LongPoll({ port, path, cursor, onProblem, onPayload: (number) => onPayload(index, number) }))
}

/**
 * One publication after the other, each when everybody has the one before and had time to be held again.
 * @param {{ port: number, path: string, seconds: number, bytes: number, pauseMs: number }} plan
 */
async function wake({ port, path, seconds, bytes, pauseMs }) {
  const deliveries = watch()
  const publisher = new Publisher({ port, connections: 1, onProblem })
  await publisher.opened()
  const begun = performance.now()
  while (performance.now() < begun + seconds * 1000) {
    deliveries.expect(next)
    publisher.publish(0, path, makePayload(next++, bytes), () => undefined)
    await everybodyHas(deliveries)
    await sleep(pauseMs)
  }
  return finish(deliveries, publisher, begun)
}

/** @param {() => void} [onComplete] */
function watch(onComplete = () => undefined) {
  for (const receiver of receivers) receiver.next = next
  const deliveries = new Deliveries(receivers.length, onComplete)
  onPayload = (_index, number) => deliveries.arrived(number)
  return deliveries
}

/**
 * One publication after the other at a steady rate, over one connection.
 * @param {{ port: number, path: string, rate: number, seconds: number, bytes: number }} plan
 */
async function paced({ port, path, rate, seconds, bytes }) {
  const deliveries = watch()
  const publisher = new Publisher({ port, connections: 1, onProblem })
  await publisher.opened()
  const begun = performance.now()
  for (let i = 0; i < rate * seconds; i++) {
    const wait = begun + (i * 1000) / rate - performance.now()
    if (wait > 0.5) await sleep(wait)
    check()
    deliveries.expect(next)
    publisher.publish(0, path, makePayload(next++, bytes), () => undefined)
  }
  await everybodyHas(deliveries)
  return finish(deliveries, publisher, begun)
}

/**
 * So many publications under way that not everybody has, over one connection: the next leaves when one is complete.
 * @param {{ port: number, path: string, inFlight: number, seconds: number, bytes: number }} plan
 */
async function windowed({ port, path, inFlight, seconds, bytes }) {
  const publisher = new Publisher({ port, connections: 1, onProblem })
  await publisher.opened()
  const begun = performance.now()
  const publish = () => {
    if (performance.now() > begun + seconds * 1000 || problems.length > 0) return
    deliveries.expect(next)
    publisher.publish(0, path, makePayload(next++, bytes), () => undefined)
  }
  const deliveries = watch(publish)
  for (let i = 0; i < inFlight; i++) publish()
  await sleep(seconds * 1000)
  await everybodyHas(deliveries)
  return finish(deliveries, publisher, begun)
}

/** @param {Deliveries} deliveries */
const everybodyHas = (deliveries) =>
  settled(
    () => deliveries.complete >= deliveries.sent,
    () => `${deliveries.sent - deliveries.complete} of ${deliveries.sent} publications did not reach everybody`,
  )

/** @param {Deliveries} deliveries @param {Publisher} publisher @param {number} begun */
function finish(deliveries, publisher, begun) {
  const seconds = (performance.now() - begun) / 1000
  publisher.close()
  return { publications: deliveries.sent, deliveries: deliveries.delivered, seconds, ...deliveries.times.summary() }
}

/**
 * Publishes over many channels; with `received` each has one receiver, which must get what was answered.
 * @param {import('./spread.mjs').SpreadPlan & { port: number, received: boolean }} plan
 */
async function spread({ port, received, ...plan }) {
  const publisher = new Publisher({ port, connections: plan.inFlight, onProblem })
  await publisher.opened()
  const run = new Spread(plan, publisher, numbers, onProblem)
  onPayload = (index) => run.arrive(index)
  const seconds = await Promise.race([run.run(), failure()])
  if (received)
    await settled(
      () => run.arrived >= run.answered,
      () => `${run.answered} were answered, ${run.arrived} arrived`,
    )
  check()
  publisher.close()
  return {
    publications: run.answered,
    seconds,
    perSecond: run.answered / seconds,
    answer: run.answers.summary(),
    arrival: run.arrivals.summary(),
  }
}

/** The last number of each channel, over all runs of this process. @type {number[]} */
const numbers = []

/** @param {() => boolean} condition @param {() => string} otherwise what is wrong after 20 s */
async function settled(condition, otherwise) {
  const ends = performance.now() + 20_000
  while (!condition()) {
    check()
    if (performance.now() > ends) throw new Error(otherwise())
    await sleep(5)
  }
}

/** @returns {Promise<never>} */
async function failure() {
  for (;;) {
    await sleep(50)
    check()
  }
}

/**
 * One publish at a time over one connection; how long each answer takes.
 * @param {{ port: number, path: string, seconds: number, bytes: number, pauseMs: number }} plan
 */
async function oneByOne({ port, path, seconds, bytes, pauseMs }) {
  const publisher = new Publisher({ port, connections: 1, onProblem })
  await publisher.opened()
  const times = new Histogram()
  const ends = performance.now() + seconds * 1000
  while (performance.now() < ends) {
    const begun = performance.now()
    await Promise.race([new Promise((resolve) => publisher.publish(0, path, makePayload(next++, bytes), resolve)), failure()])
    times.add((performance.now() - begun) * 1000)
    await sleep(pauseMs)
  }
  publisher.close()
  return times.summary()
}

/**
 * A receiver that begins far behind: how long until it has `count` publications, numbered from 1.
 * @param {{ port: number, transport: 'websocket' | 'sse', path: string, count: number }} plan
 */
async function catchUp({ port, transport, path, count }) {
  const begun = performance.now()
  const receiver = new Receiver({ port, transport, path, onProblem, onPayload: () => undefined })
  receiver.next = 1
  receivers.push(receiver)
  while (receiver.received < count) {
    check()
    if (performance.now() > begun + 120_000) throw new Error(`${receiver.received} of ${count} after 120 s`)
    await sleep(2)
  }
  const seconds = (performance.now() - begun) / 1000
  await sleep(100)
  check()
  if (receiver.received !== count) throw new Error(`${receiver.received} where ${count} were kept`)
  const bytes = receiver.bytesRead
  receiver.close()
  return { seconds, publications: count, perSecond: count / seconds, bytes }
}

/** @type {{ slow: Receiver, timer: NodeJS.Timeout, begun: number } | undefined} */
let trickling

/**
 * A receiver that reads so many bytes a second and begins behind, until `trickled`.
 * @param {{ port: number, transport: 'websocket' | 'sse', path: string, bytesPerSecond: number }} plan
 */
async function trickle({ port, transport, path, bytesPerSecond }) {
  const begun = performance.now()
  const mayRead = (/** @type {number} */ bytes) => bytes < ((performance.now() - begun) / 1000) * bytesPerSecond
  const slow = new Receiver({ port, transport, path, onProblem, onPayload: () => undefined, mayRead })
  slow.next = 1
  const timer = setInterval(() => {
    if (mayRead(slow.bytesRead)) slow.resume()
  }, 10)
  await slow.opened
  trickling = { slow, timer, begun }
}

/** Ends it, and says how much it had got. */
function trickled() {
  if (trickling === undefined) throw new Error('nobody reads slowly')
  const { slow, timer, begun } = trickling
  clearInterval(timer)
  trickling = undefined
  slow.close()
  return { received: slow.received, bytesPerSecond: (slow.bytesRead * 1000) / (performance.now() - begun) }
}
