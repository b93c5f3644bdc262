import { defineConfig } from 'vitest/config'

export default defineConfig({
  resolve: { conditions: ['source'] },
  ssr: { resolve: { conditions: ['source'] } },
  test: {
    include: ['packages/*/test/**/*.test.ts', 'interop/test/**/*.test.ts'],
    globalSetup: ['scripts/build-for-tests.mjs'],
    setupFiles: ['scripts/leaves-nothing.mjs'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 20_000,
    // What a busy machine needs, not what a test waits for.
    expect: { poll: { timeout: 10_000 } },
  },
})
