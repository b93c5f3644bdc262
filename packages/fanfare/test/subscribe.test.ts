import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import type { ServerResponse } from 'node:http'
import { join } from 'node:path'
import { formatCursor, markOf } from './support/cursors.ts'
import { afterEach, describe, expect, it } from 'vitest'
import { WebSocketServer } from 'ws'
import { fakeServer, problem } from './support/fake-server.ts'
import type { FakeServer } from './support/fake-server.ts'
import { TestIo, temporaryDirectory } from './support/io.ts'

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})
