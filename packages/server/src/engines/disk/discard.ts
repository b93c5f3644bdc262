import { MessageChannel } from 'node:worker_threads'
import type { Block } from './crc.ts'

/** Below it, the collector's own time is soon enough. */
const largeBytes = 1024 * 1024

/**
 * Gives the memory of large blocks back now. What stands outside of V8's heap goes only with a collection, which an idle server may not see for
 * minutes; a message to a port that is closed takes the buffers along. The blocks are empty afterwards.
 */
export function discard(blocks: readonly Block[]): void {
  const buffers = blocks
    .map(({ bytes }) => bytes.buffer)
    .filter((buffer) => buffer instanceof ArrayBuffer && buffer.byteLength >= largeBytes)
  if (buffers.length === 0) return
  const { port1, port2 } = new MessageChannel()
  port2.close()
  port1.postMessage(undefined, [...new Set(buffers)] as ArrayBuffer[])
  port1.close()
}
