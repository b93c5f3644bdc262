import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { bigSlot, JournalWriter, ring } from './commit-lane.ts'
import { nodeFiles } from './files.ts'

const { directory, control, buffers } = workerData as { directory: string; control: Int32Array; buffers: readonly SharedArrayBuffer[] }
const writer = new JournalWriter(nodeFiles(directory))
const port = parentPort!

// The first frame may have been set before this thread ran.
for (let seen = 0; ;) {
  Atomics.wait(control, ring.turn, seen)
  seen = Atomics.load(control, ring.turn)
  if (control[ring.end] === 1) break
  port.postMessage(commit())
}
writer.close()
port.close()

function commit(): string | null {
  try {
    const slot = control[ring.slot]!
    const buffer = slot === bigSlot ? (receiveMessageOnPort(port)!.message as SharedArrayBuffer) : buffers[slot]!
    writer.write(new Uint8Array(buffer, 0, control[ring.length]), control[ring.journal]!, control[ring.place]! >>> 0)
    return null
  } catch (error) {
    return (error as Error).message
  }
}
