import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** What tests spawn (workers, the command) runs from `dist`, so it is built first. `FANFARE_TEST_BUILD=skip` takes what is there. */
export default function build() {
  if (process.env.FANFARE_TEST_BUILD === 'skip') return
  const root = fileURLToPath(new URL('..', import.meta.url))
  const { status } = spawnSync(process.execPath, ['node_modules/typescript/bin/tsc', '-b'], { cwd: root, stdio: 'inherit' })
  if (status !== 0) throw new Error('the build failed; its messages are above')
}
