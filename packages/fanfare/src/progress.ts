import type { Writable } from 'node:stream'

const quietMs = 1000
const everyMs = 200

/** One line that is written over again, for work that takes longer than a second; nothing where nobody looks. */
export function progressLine(
  stream: Writable,
  shown: boolean,
  nowMs = (): number => performance.now(),
): { show(count: number): void; clear(): void } {
  const begun = nowMs()
  let last = 0
  let standing = false
  return {
    show(count) {
      const now = nowMs()
      if (!shown || now - begun < quietMs || now - last < everyMs) return
      last = now
      standing = true
      stream.write(`\r${count.toLocaleString('en')} published`)
    },
    clear() {
      if (standing) stream.write('\r\u001b[K')
      standing = false
    },
  }
}
