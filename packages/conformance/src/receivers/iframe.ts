import { openBody } from './body.ts'
import type { BodyReader } from './body.ts'
import { toldOf } from './envelope.ts'
import { askedOf } from './http.ts'
import type { ReceiverRow, Told } from './receiver.ts'
import { jsonOfScript } from './script.ts'

/** A document of scripts that call a function of the page around it. */
export const iframeReceiver: ReceiverRow = {
  name: 'iframe',
  transport: 'iframe',
  carriesCursor: true,
  carriesEnvelope: true,
  movesByChannel: false,
  beginsByChannel: true,
  comesInScripts: true,
  open: (url, ask) =>
    openBody(
      url,
      askedOf(ask, 'iframe', { callback: 'on.frame' }),
      /^text\/html; charset=utf-8$/i,
      (_, policy) => new ScriptReader(/script-src 'nonce-([\w-]{16,})'/.exec(policy)?.[1] ?? '', 'on.frame'),
    ),
}

const pageBytes = 2048

/** Script elements from a document that is cut anywhere, as a browser finds them: each ends at the first `</script`. */
class ScriptReader implements BodyReader {
  readonly #decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  readonly #head: string
  #rest = ''
  #begun = false

  constructor(nonce: string, callback: string) {
    if (nonce === '') throw new SyntaxError('a policy without a nonce')
    this.#head = `<script nonce="${nonce}">parent.${callback}(`
  }

  take(chunk: Uint8Array): readonly Told[] {
    this.#rest += this.#decoder.decode(chunk, { stream: true })
    if (!this.#begun) {
      const first = this.#rest.indexOf('<script')
      if (first < 0) return []
      if (first < pageBytes || !/^<!DOCTYPE html>/i.test(this.#rest)) throw new SyntaxError('no page, or not padded')
      this.#rest = this.#rest.slice(first)
      this.#begun = true
    }
    const elements = this.#rest.split('</script>')
    this.#rest = elements.pop() ?? ''
    return elements.map((element) => this.#told(element.trimStart()))
  }

  #told(element: string): Told {
    const inner = element.slice(this.#head.length, -1)
    if (!element.startsWith(this.#head) || !element.endsWith(')') || inner.includes('<'))
      throw new SyntaxError(`not one call: ${element.slice(0, 200)}`)
    return toldOf(jsonOfScript(inner))
  }
}
