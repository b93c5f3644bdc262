import { bodyOf, channelPath, keptAgent, openHttp } from '../receivers/http.ts'

export interface Published {
  readonly channel: string
  readonly offset: number
  readonly cursor: string
  readonly time: number
}

/** Publishes over HTTP, on connections that it keeps. */
export class Publisher {
  readonly #url: string
  readonly #agent: ReturnType<typeof keptAgent>

  constructor(url: string) {
    this.#url = url
    this.#agent = keptAgent(url, 8)
  }

  async publish(
    channel: string,
    body: string | Uint8Array,
    headers: Readonly<Record<string, string>> = { 'content-type': 'application/json' },
  ): Promise<Published> {
    const answer = await this.#ask('POST', channelPath(channel), body, headers)
    if (answer.status !== 201) throw new Error(`publish to ${channel}: ${answer.status} ${answer.text}`)
    const published = JSON.parse(answer.text) as Published
    if (answer.cursor !== published.cursor) throw new Error(`Fanfare-Cursor ${answer.cursor} beside ${answer.text}`)
    return published
  }

  /** `{"n":<number>}` for each of the numbers, one after the other. */
  async count(channelOf: (n: number) => string, from: number, through: number): Promise<readonly Published[]> {
    const published: Published[] = []
    for (let n = from; n <= through; n++) published.push(await this.publish(channelOf(n), JSON.stringify({ n })))
    return published
  }

  /** The same in few requests, which are committed as fast as the server can. */
  async fill(channel: string, from: number, through: number): Promise<readonly Published[]> {
    const items = Array.from({ length: through - from + 1 }, (_, index) => ({ channel, data: { n: from + index } }))
    const answer = await this.#ask('POST', '/publish', JSON.stringify(items), { 'content-type': 'application/json' })
    if (answer.status !== 200) throw new Error(`a batch of ${items.length}: ${answer.status} ${answer.text.slice(0, 300)}`)
    return JSON.parse(answer.text) as readonly Published[]
  }

  async remove(channel: string): Promise<void> {
    const answer = await this.#ask('DELETE', channelPath(channel))
    if (answer.status !== 204) throw new Error(`DELETE ${channel}: ${answer.status} ${answer.text}`)
  }

  async head(channel: string): Promise<{ readonly cursor: string; readonly count: number }> {
    const answer = await this.#ask('HEAD', channelPath(channel))
    if (answer.status !== 200) throw new Error(`HEAD ${channel}: ${answer.status}`)
    return { cursor: answer.cursor, count: answer.count }
  }

  close(): void {
    this.#agent.destroy()
  }

  async #ask(method: string, path: string, body?: string | Uint8Array, headers: Readonly<Record<string, string>> = {}) {
    const response = await openHttp(this.#url, { method, path, headers, body }, undefined, this.#agent)
    const text = new TextDecoder().decode(await bodyOf(response))
    const { 'fanfare-cursor': cursor, 'fanfare-count': count } = response.headers
    return { status: response.statusCode ?? 0, text, cursor: String(cursor), count: Number(count) }
  }
}
