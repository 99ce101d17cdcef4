// A client of the telemetry gateway that shares no code with it: grpc-js and the
// proto file. It sends EVENTS events in chunks just under 1 MiB, PER_STREAM in a
// stream, half-closes, and only then reads. What is not acknowledged it sends
// again, in another stream.
//
//   node telemetry.mjs ADDRESS PROTO EVENTS PER_STREAM
//
// Each line it prints is how many ids have come back so far.
import grpc from '@grpc/grpc-js';
import loader from '@grpc/proto-loader';

const [address, proto, events, perStream] = process.argv.slice(2);
const maxChunk = 1024 * 1024 - 1024;

const {Client, encode} = service();
const pending = new Map(); // by id
for (let i = 0; i < Number(events); i++) {
  pending.set(idOf(i), eventOf(i));
}
let acknowledged = 0;
const deadline = Date.now() + 4 * 60_000;
while (pending.size > 0) {
  if (Date.now() > deadline) throw new Error(`${pending.size} events were never acknowledged`);
  try {
    await stream([...pending.values()].slice(0, Number(perStream)));
  } catch (err) {
    if (err.code !== grpc.status.UNAVAILABLE && err.code !== grpc.status.INTERNAL) throw err;
    await new Promise((again) => setTimeout(again, 20)); // the gateway is being started
  }
}

function service() {
  const definition = loader.loadSync(proto, {longs: String, defaults: false, oneofs: false});
  const {telemetrygateway} = grpc.loadPackageDefinition(definition);
  const Service = telemetrygateway.v1.TelemeteryGatewayService;
  return {Client: Service, encode: Service.service.RecordEvents.requestSerialize};
}

function idOf(i) {
  return `00000000-0000-7000-8000-${String(i).padStart(12, '0')}`;
}

function eventOf(i) {
  return {
    id: idOf(i),
    timestamp: {seconds: String(1767355200 + i), nanos: 5000},
    feature: 'search',
    action: 'run',
    source: {server: {version: '5.2.0'}, client: {name: 'web'}},
    parameters: {metadata: {latencyMs: i / 8, results: i}},
    user: {userId: String(i % 100)},
  };
}

// chunks are payloads of events, each as large as it may be.
function* chunks(all) {
  let chunk = [];
  let bytes = 0;
  for (const event of all) {
    const size = encode({events: {events: [event]}}).length;
    if (bytes + size > maxChunk) {
      yield chunk;
      chunk = [];
      bytes = 0;
    }
    chunk.push(event);
    bytes += size;
  }
  if (chunk.length > 0) yield chunk;
}

function stream(all) {
  const client = new Client(address, grpc.credentials.createInsecure());
  const call = client.RecordEvents();
  const ended = new Promise((resolve, reject) => {
    call.on('error', reject);
    call.on('end', resolve);
    call.on('finish', () => call.on('data', take)); // everything is sent; now read
  });
  call.write({metadata: {requestId: 'interop', identifier: {unlicensedInstance: {instanceId: 'interop'}}}});
  for (const events of chunks(all)) call.write({events: {events}});
  call.end();
  return ended.finally(() => client.close());
}

function take(answer) {
  for (const id of answer.succeededEvents ?? []) {
    if (pending.delete(id)) acknowledged++;
  }
  console.log(acknowledged);
}
