import { fileURLToPath } from 'node:url'
import { describe } from 'vitest'
import { lastingClient } from './support/program.ts'
import { onPath, unless } from './support/programs.ts'
import { ndjsonReader } from './support/readers.ts'
import { throughKills } from './support/through-kills.ts'

const receive = fileURLToPath(new URL('java/Receive.java', import.meta.url))
// Its client offers HTTP/2 in every request, and is answered in HTTP/1.1.
const quick = ['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-Xmx128m']

const client = (name: string, transport: string) =>
  lastingClient(
    `Java's ${name}`,
    ({ url, channel, since }) => ['java', ...quick, receive, `${url}/channels/${channel}`, since, transport],
    ndjsonReader,
  )

// A source file is run by a JDK only: what shows it is its compiler.
describe.skipIf(!onPath('javac'))(`java.net.http${unless('javac')}`, () => {
  throughKills([client('HttpClient with Server-Sent Events', 'sse'), client('WebSocket with envelopes', 'websocket')])
})
