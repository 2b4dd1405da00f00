'use strict';
const assert = require('node:assert/strict');
const { fact, failure, unique, words } = require('../contract');
const { KEYS, THUMBPRINTS, registry, sas } = require('../hub');

const area = 'device identities';

fact(
  { area, call: 'registry.create() with keys', service: 'keeps the keys and answers 200', source: 'REC; TF' },
  async () => {
    const { responseBody: device, httpResponse } = await registry.create({ deviceId: unique('keys'), ...sas(KEYS) });
    assert.equal(httpResponse.statusCode, 200);
    assert.deepEqual(device.authentication.symmetricKey, KEYS);
    assert.equal(device.authentication.type, 'sas');
    assert.match(device.generationId, /^\d{18}$/);
    assert.equal(httpResponse.headers.etag, `"${device.etag}"`);
  },
);

fact(
  { area, call: 'registry.create() with empty keys', service: 'mints two base64 keys of 32 bytes', source: 'TF; LAB' },
  async () => {
    // The client sends empty keys when it is given none.
    const { responseBody: device } = await registry.create({ deviceId: unique('minted') });
    const { primaryKey, secondaryKey } = device.authentication.symmetricKey;
    assert.deepEqual(
      [primaryKey, secondaryKey].map((key) => Buffer.from(key, 'base64').length),
      [32, 32],
    );
    assert.notEqual(primaryKey, secondaryKey);
  },
);

fact(
  {
    area,
    call: 'registry.create() with thumbprints',
    service: 'keeps them as they were written',
    source: 'SWAGGER; TF',
  },
  async () => {
    const authentication = { type: 'selfSigned', x509Thumbprint: THUMBPRINTS };
    const { responseBody: device } = await registry.create({ deviceId: unique('self-signed'), authentication });
    assert.equal(device.authentication.type, 'selfSigned');
    assert.deepEqual(device.authentication.x509Thumbprint, THUMBPRINTS);
  },
);

fact(
  {
    area,
    call: 'registry.create() for a certificate authority',
    service: 'stores neither key nor thumbprint',
    source: 'SWAGGER',
  },
  async () => {
    const authentication = { type: 'certificateAuthority' };
    const { responseBody: device } = await registry.create({ deviceId: unique('ca'), authentication });
    assert.equal(device.authentication.type, 'certificateAuthority');
    assert.ok(!device.authentication.symmetricKey?.primaryKey);
  },
);

fact(
  {
    area,
    call: 'registry.create() of what is there',
    service: 'answers 409 DeviceAlreadyExists',
    source: 'REC; TF §11.1',
  },
  async () => {
    const deviceId = unique('twice');
    await registry.create({ deviceId });
    const error = await failure(registry.create({ deviceId }));
    assert.deepEqual(words(error), ['DeviceAlreadyExistsError', 409]);
    assert.equal(error.message, `A device with ID '${deviceId}' is already registered.`);
    assert.equal(error.response.headers['iothub-errorcode'], 'DeviceAlreadyExists');
  },
);

fact({ area, call: 'registry.get()', service: 'answers the identity with its keys', source: 'REC' }, async () => {
  const deviceId = unique('read');
  const { responseBody: created } = await registry.create({
    deviceId,
    status: 'disabled',
    statusReason: 'in store',
    ...sas(KEYS),
  });
  const { responseBody: device } = await registry.get(deviceId);
  assert.deepEqual(device.authentication.symmetricKey, KEYS);
  assert.deepEqual([device.status, device.statusReason], ['disabled', 'in store']);
  assert.deepEqual([device.etag, device.generationId], [created.etag, created.generationId]);
  assert.match(device.lastActivityTime, /Z$/);
});

fact(
  { area, call: 'registry.get() of nothing', service: 'answers 404 DeviceNotFound', source: 'TF; NODEHUB' },
  async () => {
    assert.deepEqual(words(await failure(registry.get(unique('none')))), ['DeviceNotFoundError', 404]);
  },
);

fact(
  { area, call: 'registry.get() of an odd id', service: 'decodes it once', source: 'LAB; DOC identity-registry' },
  async () => {
    const deviceId = unique("a%41#?+'(),=@;$!*_:.");
    await registry.create({ deviceId });
    assert.equal((await registry.get(deviceId)).responseBody.deviceId, deviceId);
  },
);

fact({ area, call: 'registry.list()', service: 'answers on a path with a trailing slash', source: 'LAB' }, async () => {
  const deviceId = unique('listed');
  await registry.create({ deviceId });
  const { responseBody: devices } = await registry.list();
  assert.ok(devices.some((device) => device.deviceId === deviceId));
  assert.ok(devices.every((device) => device.authentication));
});

fact(
  { area, call: 'registry.update()', service: 'moves the ETag and keeps the generation', source: 'REC; TF' },
  async () => {
    const deviceId = unique('updated');
    const { responseBody: created } = await registry.create({ deviceId, ...sas(KEYS) });
    const { responseBody: updated } = await registry.update({ deviceId, status: 'disabled', ...sas(KEYS) });
    assert.equal(updated.status, 'disabled');
    assert.deepEqual(updated.authentication.symmetricKey, KEYS);
    assert.equal(updated.generationId, created.generationId);
    assert.notEqual(updated.etag, created.etag);
  },
);

fact(
  {
    area,
    call: 'registry.update() with a stale etag',
    service: 'goes through: the client always sends "*"',
    source: 'LAB; NODEHUB registry.ts',
    difference:
      'The Node service client always updates identities with `If-Match: "*"`, so a stale ETag is never refused.',
  },
  async () => {
    const { responseBody: created } = await registry.create({ deviceId: unique('stale'), ...sas(KEYS) });
    await registry.update({ ...created, status: 'disabled' });
    const { responseBody: updated } = await registry.update({ ...created, status: 'enabled' });
    assert.equal(updated.status, 'enabled');
  },
);

fact(
  {
    area,
    call: 'registry.update() without authentication',
    service: 'mints new keys',
    source: 'LAB; TF (omitted keys), INFERRED (empty ones)',
    difference:
      'The Node service client sends empty keys when `authentication` is missing, also in an update: the keys change.',
  },
  async () => {
    const deviceId = unique('rotated');
    const { responseBody: created } = await registry.create({ deviceId, ...sas(KEYS) });
    const { responseBody: updated } = await registry.update({ deviceId, status: 'enabled' });
    assert.notEqual(updated.authentication.symmetricKey.primaryKey, created.authentication.symmetricKey.primaryKey);
  },
);

fact({ area, call: 'registry.update() of nothing', service: 'answers 404', source: 'TF §11.1' }, async () => {
  assert.deepEqual(words(await failure(registry.update({ deviceId: unique('none') }))), ['DeviceNotFoundError', 404]);
});

fact({ area, call: 'registry.delete()', service: 'answers 204, and the device is gone', source: 'REC' }, async () => {
  const deviceId = unique('deleted');
  await registry.create({ deviceId });
  assert.equal((await registry.delete(deviceId)).httpResponse.statusCode, 204);
  assert.deepEqual(words(await failure(registry.get(deviceId))), ['DeviceNotFoundError', 404]);
});

fact(
  { area, call: 'registry.delete() and create()', service: 'begins a new generation', source: 'CLI; REC' },
  async () => {
    const deviceId = unique('again');
    const { responseBody: first } = await registry.create({ deviceId });
    await registry.delete(deviceId);
    const { responseBody: second } = await registry.create({ deviceId });
    assert.ok(BigInt(second.generationId) > BigInt(first.generationId));
  },
);

fact({ area, call: 'registry.delete() of nothing', service: 'answers 404', source: 'TF §11.1' }, async () => {
  assert.deepEqual(words(await failure(registry.delete(unique('none')))), ['DeviceNotFoundError', 404]);
});

fact(
  { area: 'statistics', call: 'registry.getRegistryStatistics()', service: 'counts devices by status', source: 'REC' },
  async () => {
    await registry.create({ deviceId: unique('counted') });
    const { responseBody: counted } = await registry.getRegistryStatistics();
    assert.ok(counted.totalDeviceCount > 0);
    assert.equal(counted.totalDeviceCount, counted.enabledDeviceCount + counted.disabledDeviceCount);
  },
);
