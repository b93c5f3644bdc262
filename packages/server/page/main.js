import { showCommands } from './commands.js'
import { byId, element } from './dom.js'
import { facts, refreshFacts, showFacts } from './facts.js'
import { Lane } from './lane.js'
import { LaneView } from './lane-view.js'
import { jsonp, longPoll, poll } from './polls.js'
import { openPublisher } from './publish.js'
import { isMultiplexed } from './slots.js'
import { eventSource, foreverFrame, learnEvent, multipart, problemOf, stream, webSocket } from './streams.js'

const transports = [eventSource, webSocket, stream, longPoll, poll, multipart, foreverFrame, jsonp]
/** So many of what is kept are shown at first. */
const shownAtFirst = 5
/** Ids of this page's own publications whose times are remembered. */
const mostSent = 1000

const base = new URL('.', location.href)
const lanes = []
const sent = new Map()
const ownIds = `page-${crypto.getRandomValues(new Uint32Array(2)).join('-')}-`
let ids = 0
/** Whether a lane has lost its connection since the facts were asked for. */
let doubted = false

/** What lanes and the box share. */
const page = {
  channel: facts.channel,
  heartbeatMs: facts.limits.heartbeatMs,
  /** The highest offset that anybody here knows of. */
  head: facts.head,
  channelAddress: new URL(`channels/${facts.channelPath}`, base).href,
  batchAddress: new URL('publish', base).href,

  address(transport, cursor, parameters) {
    const address = new URL(this.channelAddress)
    const place = cursor === undefined ? { last: shownAtFirst } : { since: cursor }
    for (const [name, value] of Object.entries({ transport, ...place, ...parameters })) address.searchParams.set(name, value)
    return address.href
  },

  /** An id for a publication that goes out now. */
  sends() {
    const id = ownIds + ++ids
    sent.set(id, performance.now())
    if (sent.size > mostSent) sent.delete(sent.keys().next().value)
    return id
  },

  delayOf({ id, time }) {
    const begun = sent.get(id)
    return begun === undefined ? { ms: Date.now() - time, exact: false } : { ms: performance.now() - begun, exact: true }
  },

  seen({ event, offset }) {
    if (offset > this.head) this.head = offset
    if (event !== undefined) this.learn(event, offset)
  },

  doubt() {
    doubted = true
    for (const lane of lanes) lane.doubt()
  },

  /** A lane is connected again, perhaps to another server. */
  async back() {
    if (!doubted) return
    doubted = false
    if (!(await refreshFacts())) doubted = true
  },

  learn(event, offset) {
    for (const lane of lanes) lane.learn(event, offset)
  },
}

/** An EventSource gets only the events whose names it was told: what is kept may bear some. */
async function learnKept() {
  const response = await fetch(page.address('poll', undefined, {})).catch(() => undefined)
  if (response?.ok !== true) return
  for (const { event } of (await response.json()).publications) if (event !== undefined) learnEvent(event)
}

async function openLanes() {
  for (const transport of transports) {
    const view = new LaneView(transport)
    byId('lanes').append(view.root)
    if (facts.transports[transport.name] === true) lanes.push(new Lane(transport, page, view))
    else view.off('Add it to the option transports, or start the server with --transports all.')
  }
  const held = transports.filter(({ name, held }) => held && facts.transports[name] === true).length
  if (!isMultiplexed() && held > 0) {
    byId('connections').textContent =
      `Over HTTP/1.1 a browser opens six connections to a server, for all its tabs together; ${held} lanes of this page hold one each. ` +
      'A lane that finds none free waits: stop another, or close the other tab.'
    byId('connections').hidden = false
  }
  await learnKept()
  for (const lane of lanes) lane.start()
}

function notice(...parts) {
  byId('notice').replaceChildren(...parts)
  byId('notice').hidden = false
}

/** A page of the server itself may be refused, where lists say so or a proxy changes the Host. Only requests that bear an Origin tell. */
async function checkOrigin() {
  const response = await fetch(page.channelAddress, { method: 'OPTIONS' }).catch(() => undefined)
  if (response === undefined || response.ok) return
  const { code, message } = await problemOf(response)
  if (code !== 'origin-refused') return notice(message)
  const option = element('code', {}, `origins: ["${location.origin}"]`)
  notice('This page may not publish, nor use WebSocket, iframe and JSONP: the server does not know its origin. Add it: ', option)
}

function begin() {
  byId('channel').value = facts.channel
  byId('channel-form').addEventListener('submit', (submitted) => {
    submitted.preventDefault()
    location.search = new URLSearchParams({ channel: byId('channel').value.trim() }).toString()
  })
  if (facts.problem !== undefined) {
    document.querySelector('main').hidden = true
    byId('channel').focus()
    return notice(`${facts.channel}: ${facts.problem}`)
  }
  showFacts(facts)
  document.title = `${facts.channel} · Fanfare`
  showCommands(facts.commands, page.channelAddress.replaceAll("'", '%27'))
  openPublisher(page)
  void openLanes()
  void checkOrigin()
}

// Not before: a forever-iframe is a part of what loads.
if (document.readyState === 'complete') begin()
else addEventListener('load', begin)
