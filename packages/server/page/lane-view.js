import { element, shownData, shownMs } from './dom.js'

/** Rows of a lane; older ones go. */
const mostRows = 50

/** What of a lane is seen. Rows are drawn once a frame, however many come. */
export class LaneView {
  #title
  #about
  #root
  #state
  #detail
  #count
  #delay
  #cursor
  #rows
  #button
  #drawing = []

  constructor({ name, title, about }) {
    const id = `lane-${name}`
    this.#title = title
    this.#about = about
    this.#state = element('span', { class: 'state' })
    this.#detail = element('p', { class: 'detail' }, about)
    this.#count = element('dd', {}, '0')
    this.#delay = element('dd', {}, '–')
    this.#cursor = element('bdi', { dir: 'ltr' }, '–')
    this.#rows = element('ol', { tabindex: '0', 'aria-label': `Publications over ${title}, the newest first` })
    this.#button = element('button', { type: 'button', class: 'quiet' })
    this.#root = element(
      'article',
      { class: 'lane', id, 'data-transport': name, 'aria-labelledby': `${id}-title` },
      element('header', {}, element('h3', { id: `${id}-title` }, title), this.#state),
      element('div', { class: 'what' }, this.#detail, this.#button),
      element(
        'dl',
        {},
        figure('received', this.#count),
        figure('delay', this.#delay),
        figure('cursor', element('dd', { class: 'cursor' }, this.#cursor)),
      ),
      this.#rows,
    )
  }

  get root() {
    return this.#root
  }

  onToggle(toggle) {
    this.#button.addEventListener('click', toggle)
  }

  state(state, detail) {
    this.#root.dataset.state = state
    this.#state.textContent = state
    this.#detail.textContent = detail === '' ? this.#about : detail
    this.#detail.title = detail
    this.#button.textContent = state === 'stopped' ? 'Start' : 'Stop'
    this.#button.setAttribute('aria-label', `${this.#button.textContent} ${this.#title}`)
  }

  /** A transport that this server does not offer. */
  off(hint) {
    this.#root.dataset.state = 'off'
    this.#state.textContent = 'switched off'
    this.#detail.textContent = this.#about
    this.#rows.replaceWith(element('p', { class: 'hint' }, hint))
    this.#button.remove()
  }

  place(cursor) {
    this.#cursor.textContent = cursor
    this.#cursor.title = cursor
  }

  count(count) {
    this.#count.textContent = count.toLocaleString('en')
  }

  publication(publication, { delay, kept }) {
    const shown = kept ? 'kept' : `${delay.exact ? '' : '≈ '}${shownMs(delay.ms)}`
    if (!kept) this.#delay.textContent = shown
    this.#draw({ publication, shown })
  }

  note(kind, text) {
    this.#draw({ kind, text })
  }

  #draw(row) {
    if (this.#drawing.length === 0) requestAnimationFrame(() => this.#drawNow())
    this.#drawing.push(row)
    // A tab in the background has no frames.
    if (this.#drawing.length > mostRows) this.#drawing.shift()
  }

  #drawNow() {
    const rows = this.#drawing.map(rowOf).reverse()
    this.#drawing = []
    this.#rows.prepend(...rows)
    while (this.#rows.childElementCount > mostRows) this.#rows.lastElementChild.remove()
  }
}

function figure(name, value) {
  return element('div', {}, element('dt', {}, name), value)
}

function rowOf({ kind, text, publication, shown }) {
  if (publication === undefined) return element('li', { class: kind }, text)
  const { offset, event, cursor } = publication
  const payload = shownData(publication)
  const data = element('span', { class: 'data', title: payload }, payload)
  if (event !== undefined) data.prepend(element('b', { title: event }, event), ' ')
  const number = element('span', { class: 'offset', title: `cursor ${cursor}` }, String(offset))
  return element('li', {}, number, data, element('span', { class: 'delay' }, shown))
}
