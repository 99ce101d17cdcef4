// Sends every kind of call with Segment's SDK for Node, as an application would:
// node segment.mjs URL ROUNDS
//
// What the SDK says went wrong ends the process with status 1.
import { Analytics } from '@segment/analytics-node'

const [host, rounds] = process.argv.slice(2)
const analytics = new Analytics({ host, writeKey: process.env.DAYBOOK_KEY ?? 'any', flushAt: 50 })
let failed = 0
analytics.on('error', (e) => { failed++; console.error(e) })

const timestamp = new Date('2026-01-31T12:00:00.123Z')
for (let i = 0; i < Number(rounds); i++) {
  const who = { userId: `user-${i}`, anonymousId: `visitor-${i}`, timestamp }
  analytics.track({ ...who, messageId: `track-${i}`, event: 'Order Completed', properties: { cents: 1299, ratio: 0.25, items: [{ sku: 'ü' }], none: null } })
  analytics.identify({ ...who, messageId: `identify-${i}`, traits: { email: 'ann@example.com' } })
  analytics.page({ anonymousId: `visitor-${i}`, messageId: `page-${i}`, name: 'Home', properties: { url: 'https://example.com/' } })
  analytics.screen({ ...who, messageId: `screen-${i}`, name: 'Cart' })
  analytics.group({ ...who, messageId: `group-${i}`, groupId: 'acme', traits: { plan: 'pro' } })
  analytics.alias({ messageId: `alias-${i}`, userId: `user-${i}`, previousId: `visitor-${i}` })
}
await analytics.closeAndFlush()
process.exit(failed === 0 ? 0 : 1)
