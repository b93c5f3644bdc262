/**
 * Questions to the engine in their turn: so many at once, and none while as many wait to use the page that they got. So those who lag hold a bounded
 * number of pages together, however many they are.
 */
export class Reads {
  readonly #most: number
  readonly #mayAsk: () => boolean
  #waiting: (() => Promise<void>)[] = []
  #first = 0
  #running = 0

  constructor(most: number, mayAsk: (most: number) => boolean) {
    this.#most = most
    this.#mayAsk = () => mayAsk(most)
  }

  /** The question handles its own failure. */
  ask(question: () => Promise<void>): void {
    this.#waiting.push(question)
    this.pump()
  }

  /** Asks what may be asked now; called again after each turn, and after each answer. */
  pump(): void {
    while (this.#first < this.#waiting.length && this.#running < this.#most && this.#mayAsk()) {
      const question = this.#waiting[this.#first++]
      if (question === undefined) break
      this.#running++
      void question().finally(() => {
        this.#running--
        this.pump()
      })
    }
    if (this.#first === 0 || this.#first * 2 < this.#waiting.length) return
    this.#waiting = this.#waiting.slice(this.#first)
    this.#first = 0
  }
}
