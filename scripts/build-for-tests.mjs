import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** What tests spawn (workers, the command) runs from `dist`, so it is built first. */
export default function build() {
  const root = fileURLToPath(new URL('..', import.meta.url))
  execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-b'], { cwd: root, stdio: 'inherit' })
}
