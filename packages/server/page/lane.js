import { takeSlot } from './slots.js'

const firstDelayMs = 500
const longestDelayMs = 4000
/** So many heartbeats may be missing before a silent connection is given up. */
const missingBeats = 2

/**
 * One transport that receives the page's channel. It has a cursor, and whatever happens it goes on from there: it is `stopped`, `waiting` for one of the
 * browser's connections or a late answer, `connecting`, `live`, or `reconnecting`.
 */
export class Lane {
  #transport
  #page
  #view
  #state = 'stopped'
  /** Counts what was opened and closed: who belongs to an earlier one is not heard any more. */
  #generation = 0
  #handle
  #releaseSlot
  #slotWish
  #timer
  #watchdog
  #attempts = 0
  #cursor
  #offset
  #count = 0
  /** The offset that the channel had reached when the lane was opened, and whether it has been told a gap since. */
  #headThen = 0
  #gapTold = false
  #resumes = false
  #missing = 0

  constructor(transport, page, view) {
    this.#transport = transport
    this.#page = page
    this.#view = view
    view.onToggle(() => (this.#state === 'stopped' ? this.start() : this.stop()))
  }

  async start() {
    const generation = ++this.#generation
    this.#attempts = 0
    if (this.#transport.held) {
      this.#become('waiting', 'for a connection, see below')
      this.#slotWish = new AbortController()
      const release = await takeSlot(this.#slotWish.signal).catch(() => undefined)
      if (generation !== this.#generation) return release?.()
      this.#releaseSlot = release
    }
    this.#become('connecting')
    this.#open()
  }

  stop() {
    this.#close()
    this.#slotWish?.abort()
    this.#releaseSlot?.()
    this.#releaseSlot = undefined
    this.#resumes = this.#cursor !== undefined
    this.#become('stopped', this.#resumes ? 'it goes on from its cursor' : undefined)
  }

  /** Another lane has got a publication with this event. Who has to know such names may have missed it, and asks again from its cursor. */
  learn(event, offset) {
    const isNew = this.#handle?.learn?.(event) === true
    if (!isNew || offset === undefined || this.#state === 'stopped' || (this.#offset ?? 0) >= offset) return
    this.#reopen(`asks again, now for the event “${event}” too`)
  }

  /** Another lane has lost its connection. Who would not notice asks again, which is never wrong: it goes on from its cursor. */
  doubt() {
    if (this.#transport.blind === true && this.#state === 'live') this.#reopen('another lane lost its connection')
  }

  #reopen(why) {
    this.#lost(why)
    this.#close()
    this.#open()
  }

  #open() {
    const generation = ++this.#generation
    const current = (then) => (argument) => {
      if (generation === this.#generation) then(argument)
    }
    this.#headThen = this.#page.head
    this.#gapTold = false
    this.#watch()
    this.#handle = this.#transport.open({
      address: (parameters) => this.#page.address(this.#transport.name, this.#cursor, parameters),
      alive: current(() => this.#watch()),
      place: current((cursor) => this.#take(cursor)),
      publication: current((publication) => this.#receive(publication)),
      late: current(() => this.#become('waiting', 'for an answer')),
      gap: current((gap) => this.#tellGap(gap)),
      lost: current((why) => this.#cut(why)),
      ended: current((error) => this.#ended(error)),
    })
  }

  #close() {
    this.#generation++
    clearTimeout(this.#timer)
    clearTimeout(this.#watchdog)
    this.#handle?.close()
    this.#handle = undefined
  }

  #take(cursor) {
    this.#opened()
    this.#cursor = cursor
    this.#view.place(cursor)
  }

  #receive(publication) {
    this.#opened()
    const { offset, cursor } = publication
    if (this.#offset !== undefined && offset <= this.#offset) return
    if (this.#offset !== undefined && !this.#gapTold) this.#tellHole(offset - this.#offset - 1)
    this.#gapTold = false
    this.#offset = offset
    this.#cursor = cursor
    this.#count++
    this.#view.publication(publication, { delay: this.#page.delayOf(publication), kept: offset <= this.#headThen })
    this.#view.place(cursor)
    this.#view.count(this.#count)
    if (this.#missing > 0 && offset >= this.#headThen) {
      this.#view.note('resumed', `caught up with ${this.#missing}, nothing missed`)
      this.#missing = 0
    }
    this.#page.seen(publication)
  }

  /** The first sign that the lane is open again: it stands at its cursor, unless a gap came before. */
  #opened() {
    if (this.#state === 'live') return
    this.#attempts = 0
    this.#become('live')
    if (!this.#resumes) return
    this.#resumes = false
    this.#page.back()
    this.#missing = this.#gapTold ? 0 : Math.max(0, this.#headThen - (this.#offset ?? this.#headThen))
    if (this.#missing === 0) this.#view.note('resumed', this.#gapTold ? 'resumed after the gap' : 'resumed, nothing missed')
  }

  #tellGap({ reason, missed }) {
    this.#gapTold = true
    this.#missing = 0
    // In another history the numbers may begin anew.
    this.#offset = undefined
    if (reason === 'new-log' || reason === 'diverged') this.#headThen = this.#page.head = 0
    if (missed === 0) this.#view.note('told', `gap: ${reason}, nothing missed`)
    else this.#view.note('gap', `gap: ${reason}, ${missed === null ? 'number unknown' : `${missed} missed`}`)
  }

  /** Offsets have no holes. The one honest reason is an event that an EventSource had not been told of in time. */
  #tellHole(missed) {
    if (missed > 0)
      this.#view.note('gap', this.#transport.name === 'sse' ? `${missed} with an event not listened for` : `${missed} missing`)
  }

  #lost(why) {
    this.#headThen = this.#page.head
    this.#gapTold = false
    this.#resumes = this.#cursor !== undefined
    this.#become('reconnecting', why)
  }

  /** The connection went by itself, which others may not have noticed of theirs. */
  #cut(why) {
    const wasLive = this.#state === 'live'
    this.#lost(why)
    if (wasLive) this.#page.doubt()
  }

  #ended({ message, after }) {
    this.#close()
    const longest = Math.min(longestDelayMs, firstDelayMs * 2 ** this.#attempts++)
    const delayMs = after ?? longest * (0.5 + Math.random() / 2)
    this.#cut(`again in ${(delayMs / 1000).toFixed(1)} s: ${message}`)
    this.#timer = setTimeout(() => this.#open(), delayMs)
  }

  /** A connection that has died without a word is found by its missing heartbeat. */
  #watch() {
    if (this.#transport.beats !== true) return
    clearTimeout(this.#watchdog)
    this.#watchdog = setTimeout(() => this.#ended({ message: 'no heartbeat came' }), missingBeats * this.#page.heartbeatMs)
  }

  #become(state, detail = '') {
    this.#state = state
    this.#view.state(state, detail)
  }
}
