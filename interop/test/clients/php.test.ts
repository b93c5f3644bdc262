import { fileURLToPath } from 'node:url'
import { describe } from 'vitest'
import { lastingClient } from './support/program.ts'
import { onPath, unless } from './support/programs.ts'
import { ndjsonReader } from './support/readers.ts'
import { throughKills } from './support/through-kills.ts'

const receive = fileURLToPath(new URL('php/receive.php', import.meta.url))

describe.skipIf(!onPath('php'))(`PHP${unless('php')}`, () => {
  throughKills([
    lastingClient(
      "PHP's stream wrapper with NDJSON",
      ({ url, channel, since }) => ['php', receive, `${url}/channels/${channel}`, since],
      ndjsonReader,
    ),
  ])
})
