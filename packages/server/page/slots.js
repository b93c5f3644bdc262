/** Browsers open six connections to a server over HTTP/1.1, for all their tabs together; one is left to publishing and polling. */
const mostHeld = 5

/** True where requests share one connection, so that nobody has to wait. */
export function isMultiplexed() {
  const [navigation] = performance.getEntriesByType('navigation')
  return navigation?.nextHopProtocol === 'h2' || navigation?.nextHopProtocol === 'h3'
}

/**
 * Waits for one of the connections that may be held, over all tabs (Web Locks), and resolves with what gives it back; closing a tab does too. Where the
 * browser has no locks (pages over plain HTTP from another machine), a page's own lanes are few enough, but a second tab may starve.
 */
export function takeSlot(signal) {
  const { locks } = navigator
  if (locks === undefined || isMultiplexed()) return Promise.resolve(() => undefined)
  return new Promise((resolve, reject) => {
    const others = new AbortController()
    signal.addEventListener('abort', () => {
      others.abort()
      reject(signal.reason)
    })
    let taken = false
    const hold = () => {
      if (taken || signal.aborted) return undefined
      taken = true
      others.abort()
      return new Promise((release) => resolve(release))
    }
    for (let slot = 1; slot <= mostHeld; slot++) {
      locks.request(`fanfare-connection-${slot}`, { signal: others.signal }, hold).catch((error) => {
        if (error.name !== 'AbortError') reject(error)
      })
    }
  })
}
