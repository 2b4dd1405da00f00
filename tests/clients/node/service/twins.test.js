'use strict';
const assert = require('node:assert/strict');
const { fact, failure, unique, words } = require('../contract');
const { registry } = require('../hub');

const area = 'twins, by the service';

async function device() {
  const deviceId = unique('twin');
  await registry.create({ deviceId });
  return deviceId;
}

/** ETag, version and the two `$version`s. */
const counters = ({ etag, version, properties: { desired, reported } }) => [
  etag,
  version,
  desired.$version,
  reported.$version,
];

const patched = async (deviceId, patch, etag = '*') => (await registry.updateTwin(deviceId, patch, etag)).responseBody;

fact(
  {
    area,
    call: 'registry.getTwin() of a fresh device',
    service: 'begins at ETag 1, version 2, both $version 1',
    source: 'REC',
  },
  async () => {
    const { responseBody: twin, httpResponse } = await registry.getTwin(await device());
    assert.deepEqual(counters(twin), ['AAAAAAAAAAE=', 2, 1, 1]);
    assert.equal(httpResponse.headers.etag, undefined);
  },
);

fact({ area, call: 'registry.getTwin() of nothing', service: 'answers 404 DeviceNotFound', source: 'TF' }, async () => {
  assert.deepEqual(words(await failure(registry.getTwin(unique('none')))), ['DeviceNotFoundError', 404]);
});

fact(
  {
    area,
    call: 'registry.updateTwin() of desired',
    service: 'moves ETag, version and desired.$version by one',
    source: 'REC',
  },
  async () => {
    const twin = await patched(await device(), { properties: { desired: { rate: 5 } } });
    assert.deepEqual(counters(twin), ['AAAAAAAAAAI=', 3, 2, 1]);
    assert.equal(twin.properties.desired.$metadata.rate.$lastUpdatedVersion, 2);
  },
);

fact(
  { area, call: 'registry.updateTwin() of tags', service: 'leaves desired.$version', source: 'BLOG:xmi' },
  async () => {
    assert.deepEqual(counters(await patched(await device(), { tags: { site: 'A' } })), ['AAAAAAAAAAI=', 3, 1, 1]);
  },
);

fact(
  {
    area,
    call: 'registry.updateTwin() of null for a section',
    service: 'clears it',
    source: 'NODEDEV e2etests/test/twin_e2e_tests.js',
  },
  async () => {
    const deviceId = await device();
    await patched(deviceId, { tags: { site: 'A' }, properties: { desired: { rate: 5 } } });
    const twin = await patched(deviceId, { tags: null, properties: { desired: null } });
    assert.deepEqual([twin.tags ?? {}, twin.properties.desired.rate], [{}, undefined]);
    assert.deepEqual(counters(twin), ['AAAAAAAAAAM=', 4, 3, 1]);
  },
);

fact({ area, call: 'registry.updateTwin() with the right etag', service: 'writes', source: 'REC; LAB' }, async () => {
  const { responseBody: twin } = await registry.getTwin(await device());
  assert.deepEqual((await patched(twin.deviceId, { tags: { site: 'A' } }, twin.etag)).tags, { site: 'A' });
});

fact(
  {
    area,
    call: 'registry.updateTwin() with a stale etag',
    service: 'answers 412 PreconditionFailed and writes nothing',
    source: 'REC',
  },
  async () => {
    const { responseBody: twin } = await registry.getTwin(await device());
    await patched(twin.deviceId, { tags: { site: 'A' } });
    const error = await failure(registry.updateTwin(twin.deviceId, { tags: { site: 'B' } }, twin.etag));
    assert.deepEqual(words(error), ['InvalidEtagError', 412]);
    assert.match(error.message, /ETag mismatch for device ID/);
    assert.deepEqual((await registry.getTwin(twin.deviceId)).responseBody.tags, { site: 'A' });
  },
);

fact(
  { area, call: 'registry.updateTwin() with *', service: 'writes whatever is there', source: 'REC; LAB' },
  async () => {
    const deviceId = await device();
    await patched(deviceId, { tags: { site: 'A' } });
    assert.deepEqual((await patched(deviceId, { tags: { site: 'B' } }, '*')).tags, { site: 'B' });
  },
);

fact(
  {
    area,
    call: 'twin.update() after twin.get()',
    service: 'carries the etag that was read',
    source: 'NODEHUB twin.ts',
  },
  async () => {
    const { responseBody: mine } = await registry.getTwin(await device());
    const { responseBody: theirs } = await registry.getTwin(mine.deviceId);
    await theirs.update({ tags: { site: 'B' } });
    assert.deepEqual(words(await failure(mine.update({ tags: { site: 'A' } }))), ['InvalidEtagError', 412]);
    await mine.get();
    await mine.update({ tags: { floor: 1 } });
    assert.deepEqual(mine.tags, { site: 'B', floor: 1 });
  },
);

fact(
  {
    area,
    call: 'registry.updateTwin() with null',
    service: 'deletes the member, and leaves an empty object',
    source: 'TF App.D; DOC device-twins',
  },
  async () => {
    const deviceId = await device();
    await patched(deviceId, { properties: { desired: { deep: { a: 1 }, list: [1, 2], gone: true } } });
    const twin = await patched(deviceId, { properties: { desired: { deep: { a: null }, list: [3], gone: null } } });
    const { $metadata, $version, ...members } = twin.properties.desired;
    assert.deepEqual(members, { deep: {}, list: [3] });
    assert.deepEqual([$metadata.gone, $version], [undefined, 3]);
  },
);

fact(
  {
    area,
    call: 'registry.updateTwin() of reported',
    service: 'answers 200 and ignores them',
    source: 'DOC howto-device-twins; REC; SWAGGER',
  },
  async () => {
    const twin = await patched(await device(), { properties: { reported: { fw: '9' }, desired: { rate: 5 } } });
    assert.deepEqual([twin.properties.reported.fw, twin.properties.reported.$version], [undefined, 1]);
  },
);

fact(
  {
    area,
    call: 'registry.updateTwin() of equal values',
    service: 'is a write like any other',
    source: 'ISSUE:azure-iot-sdk-csharp#954',
  },
  async () => {
    const deviceId = await device();
    await patched(deviceId, { properties: { desired: { rate: 5 } } });
    assert.deepEqual(counters(await patched(deviceId, { properties: { desired: { rate: 5 } } })), [
      'AAAAAAAAAAM=',
      4,
      3,
      1,
    ]);
  },
);

fact(
  {
    area,
    call: 'registry.updateTwin() with a bad key',
    service: 'answers 400 ArgumentInvalid and says which',
    source: 'ISSUE:azure-iot-sdk-java#243; TF',
  },
  async () => {
    const error = await failure(registry.updateTwin(await device(), { tags: { 'a.b': 1 } }, '*'));
    assert.deepEqual(words(error), ['ArgumentError', 400]);
    assert.match(error.responseBody, /invalid characters/);
  },
);

fact(
  { area, call: 'registry.updateTwin() beyond 8 KB of tags', service: 'answers 400', source: 'DOC device-twins' },
  async () => {
    const tags = Object.fromEntries([1, 2, 3].map((number) => [`t${number}`, 'x'.repeat(3000)]));
    assert.deepEqual(words(await failure(registry.updateTwin(await device(), { tags }, '*'))), ['ArgumentError', 400]);
  },
);

fact(
  {
    area,
    call: 'registry.updateModuleTwin()',
    service: 'works as for devices, with a module ETag of its own',
    source: 'REC',
  },
  async () => {
    const deviceId = await device();
    await registry.addModule({ deviceId, moduleId: 'camera' });
    const { responseBody: twin } = await registry.getModuleTwin(deviceId, 'camera');
    assert.deepEqual([twin.moduleId, ...counters(twin)], ['camera', 'AAAAAAAAAAE=', 2, 1, 1]);
    const { responseBody: written } = await registry.updateModuleTwin(
      deviceId,
      'camera',
      { tags: { lens: 50 } },
      twin.etag,
    );
    assert.deepEqual(written.tags, { lens: 50 });
    const stale = registry.updateModuleTwin(deviceId, 'camera', { tags: { lens: 35 } }, twin.etag);
    assert.deepEqual(words(await failure(stale)), ['InvalidEtagError', 412]);
  },
);
