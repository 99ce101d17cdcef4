// Exports log records with OpenTelemetry's own exporters, as an application
// would: node otel.mjs json|proto|grpc URL RECORDS
//
// Each record has content of every type. What the exporter says went wrong ends
// the process with status 1.
import { ROOT_CONTEXT, TraceFlags, diag, trace } from '@opentelemetry/api'
import { SeverityNumber } from '@opentelemetry/api-logs'
import { OTLPLogExporter as GRPC } from '@opentelemetry/exporter-logs-otlp-grpc'
import { OTLPLogExporter as JSONOverHTTP } from '@opentelemetry/exporter-logs-otlp-http'
import { OTLPLogExporter as ProtoOverHTTP } from '@opentelemetry/exporter-logs-otlp-proto'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { BatchLogRecordProcessor, LoggerProvider } from '@opentelemetry/sdk-logs'

const [encoding, url, count] = process.argv.slice(2)
const key = process.env.DAYBOOK_KEY
const headers = key ? { Authorization: `Bearer ${key}` } : undefined
const compression = 'gzip'
const exporter = {
  json: () => new JSONOverHTTP({ url: url + '/v1/logs', headers, compression }),
  proto: () => new ProtoOverHTTP({ url: url + '/v1/logs', headers, compression }),
  grpc: () => new GRPC({ url }),
}[encoding]()

// The SDK reports what it could not export as a diagnostic, and nowhere else.
let failed = 0
const wrong = (...said) => { failed++; console.error(...said) }
diag.setLogger({ error: wrong, warn: wrong, info() {}, debug() {}, verbose() {} })

const provider = new LoggerProvider({
  resource: resourceFromAttributes({ 'service.name': 'shop', 'host.cpus': 4 }),
  processors: [new BatchLogRecordProcessor({ exporter, maxExportBatchSize: 100, maxQueueSize: 100_000 })],
})
const logger = provider.getLogger('checkout', '1.2')
const context = trace.setSpanContext(ROOT_CONTEXT, {
  traceId: '5b8efff798038103d269b633813fc60c', spanId: 'eee19b7ec3c1b174', traceFlags: TraceFlags.SAMPLED,
})
for (let i = 0; i < Number(count); i++) {
  logger.emit({
    eventName: i % 10 === 9 ? undefined : 'order-paid',
    timestamp: [1769860800, 1000 + i],
    observedTimestamp: [1769860801, 0],
    severityNumber: SeverityNumber.INFO,
    severityText: 'INFO',
    body: { text: 'paid "ü"\n', n: i },
    context,
    attributes: {
      'user.id': `user-${i}`, cents: 1299, ratio: 0.25, first: true, none: null, big: 2 ** 40,
      tags: ['a', 'b'], nested: { deep: { bytes: new Uint8Array([0, 1, 2, 255]) } },
    },
  })
}
await provider.forceFlush()
await provider.shutdown()
process.exit(failed === 0 ? 0 : 1)
