'use strict';
const assert = require('node:assert/strict');
const { EventEmitter, once } = require('node:events');
const { SharedAccessSignature, anHourFromNow } = require('azure-iot-common');
const { fact, failure } = require('../contract');
const { hub, registry } = require('../hub');
const { connected, connectionString, device, made, report } = require('../device');

const area = 'twins, by the device';

/** Runs `body` with a connected device's twin and its id. */
async function withTwin(body) {
  const deviceId = await made('twin');
  await connected(device(connectionString(deviceId)), async (client) => body(await client.getTwin(), deviceId));
}

const reportedOf = async (deviceId) => (await registry.getTwin(deviceId)).responseBody.properties.reported;

fact(
  {
    area,
    call: 'client.getTwin()',
    service: 'answers desired and reported, without metadata and tags',
    source: 'LAB; DOC iot-mqtt-connect',
  },
  async () => {
    const deviceId = await made('twin');
    await registry.updateTwin(deviceId, { tags: { site: 'A' }, properties: { desired: { rate: 5 } } }, '*');
    const { properties } = await connected(device(connectionString(deviceId)), (client) => client.getTwin());
    assert.deepEqual(properties.desired, { rate: 5, $version: 2 });
    assert.deepEqual([properties.reported.$version, properties.tags], [1, undefined]);
  },
);

fact(
  {
    area,
    call: 'reported.update()',
    service: 'merges, and moves reported.$version and version but not the ETag',
    source: 'REC; BLOG:xmi; ISSUE:azure-docs#22112',
  },
  () =>
    withTwin(async (twin, deviceId) => {
      await report(twin, { fw: '1.2', deep: { a: 1, b: 2 } });
      await report(twin, { deep: { a: null } });
      const { responseBody: seen } = await registry.getTwin(deviceId);
      assert.deepEqual([seen.properties.reported.fw, seen.properties.reported.deep], ['1.2', { b: 2 }]);
      assert.deepEqual([seen.etag, seen.version, seen.properties.reported.$version], ['AAAAAAAAAAE=', 4, 3]);
    }),
);

fact(
  {
    area,
    call: 'reported.update() of equal values',
    service: 'is a write like any other',
    source: 'ISSUE:iotedge#1252',
  },
  () =>
    withTwin(async (twin, deviceId) => {
      await report(twin, { fw: '1.2' });
      await report(twin, { fw: '1.2' });
      assert.equal((await reportedOf(deviceId)).$version, 3);
    }),
);

fact(
  {
    area,
    call: 'reported.update() with a bad key',
    service: 'answers 400 with errorCode 400004 in the body, and writes nothing',
    source: 'ISSUE:azure-iot-sdk-java#243; LAB',
    difference:
      'The Node device client ignores the status of a twin answer: an error is one only because its body has `errorCode`.',
  },
  () =>
    withTwin(async (twin, deviceId) => {
      const error = await failure(report(twin, { 'a.b': 1 }));
      assert.match(error.message, /invalid characters/);
      assert.equal((await reportedOf(deviceId)).$version, 1);
    }),
);

fact(
  {
    area,
    call: 'reported.update() beyond 32 KB',
    service: 'answers 400 and writes nothing',
    source: 'DOC device-twins',
  },
  () =>
    withTwin(async (twin, deviceId) => {
      const big = Object.fromEntries(Array.from({ length: 9 }, (_, number) => [`r${number}`, 'x'.repeat(4000)]));
      await failure(report(twin, big));
      assert.equal((await reportedOf(deviceId)).$version, 1);
    }),
);

fact(
  {
    area,
    call: 'reported.update() with $version in the body',
    service: 'answers 400',
    source: 'INFERRED from the rule for keys',
  },
  () =>
    withTwin(async (twin, deviceId) => {
      await failure(report(twin, { $version: 1, fw: '2' }));
      assert.equal((await reportedOf(deviceId)).fw, undefined);
    }),
);

/** The desired patch that follows `write`. */
async function notified(twin, write) {
  const patches = new EventEmitter();
  twin.on('properties.desired', (patch) => patches.emit('patch', patch));
  // The subscription is sent before this request, so it stands when this is answered; what is read is told, too.
  await twin.get();
  const next = once(patches, 'patch');
  await write();
  return (await next)[0];
}

fact(
  {
    area,
    call: "twin.on('properties.desired') and a PATCH",
    service: 'sends the patch as it was written, with $version',
    source: 'ISSUE:azure-docs#21334; LAB',
  },
  () =>
    withTwin(async (twin, deviceId) => {
      const patch = await notified(twin, () =>
        registry.updateTwin(deviceId, { properties: { desired: { rate: 5, deep: { a: 1 } } } }, '*'),
      );
      assert.deepEqual(patch, { rate: 5, deep: { a: 1 }, $version: 2 });
    }),
);

fact(
  {
    area,
    call: "twin.on('properties.desired') and a PATCH with null",
    service: 'sends the null',
    source: 'DOC iot-mqtt-connect',
  },
  () =>
    withTwin(async (twin, deviceId) => {
      await registry.updateTwin(deviceId, { properties: { desired: { rate: 5 } } }, '*');
      const patch = await notified(twin, () =>
        registry.updateTwin(deviceId, { properties: { desired: { rate: null } } }, '*'),
      );
      assert.deepEqual(patch, { rate: null, $version: 3 });
    }),
);

fact(
  {
    area,
    call: "twin.on('properties.desired') and a PUT",
    service: 'sends null for what is gone',
    source: 'ISSUE:azure-iot-sdk-csharp#954',
  },
  () =>
    withTwin(async (twin, deviceId) => {
      await registry.updateTwin(deviceId, { properties: { desired: { rate: 5, gone: 1 } } }, '*');
      const patch = await notified(twin, () => replaced(deviceId, { properties: { desired: { rate: 6 } } }));
      assert.deepEqual(patch, { rate: 6, gone: null, $version: 3 });
    }),
);

/** The Node service client has no call for PUT, so it is sent without one, with a token that the device client makes. */
async function replaced(deviceId, body) {
  const [policy, key] = ['SharedAccessKeyName', 'SharedAccessKey'].map(
    (name) => hub.connectionString.match(`${name}=([^;]+)`)[1],
  );
  const token = SharedAccessSignature.create(hub.hostName, policy, key, anHourFromNow()).toString();
  const headers = { authorization: token, 'content-type': 'application/json' };
  const url = `https://${hub.hostName}/twins/${deviceId}?api-version=2021-04-12`;
  const response = await fetch(url, { method: 'PUT', headers, body: JSON.stringify(body) });
  assert.equal(response.status, 200, await response.text());
}
