'use strict';
const assert = require('node:assert/strict');
const { fact, failure, unique, words } = require('../contract');
const { KEYS, registry, sas } = require('../hub');

const area = 'bulk registry';

/** The hub's per-item errors, which this client hands over as the body of a refusal. */
const errors = (refusal) => JSON.parse(refusal.responseBody).errors.map((error) => [error.deviceId, error.errorCode]);

async function made(count) {
  const devices = Array.from({ length: count }, () => ({ deviceId: unique('bulk'), status: 'enabled', ...sas(KEYS) }));
  const { responseBody } = await registry.addDevices(devices);
  return { devices, responseBody };
}

fact(
  {
    area,
    call: 'registry.addDevices()',
    service: 'takes a bare array and answers isSuccessful',
    source: 'LAB; REC; TF',
  },
  async () => {
    const { devices, responseBody } = await made(3);
    assert.deepEqual([responseBody.isSuccessful, responseBody.errors], [true, []]);
    const { responseBody: device } = await registry.get(devices[2].deviceId);
    assert.deepEqual(device.authentication.symmetricKey, KEYS);
  },
);

fact(
  {
    area,
    call: 'registry.addDevices() with one that is there',
    service: 'answers 400 with the result as its body, and makes the others',
    source: 'SWAGGER 400 schema; TF App.D; that the others are made: INFERRED',
    difference:
      'The Node service client raises `ArgumentError` for a bulk call that failed in part; the result is in `err.responseBody`.',
  },
  async () => {
    const {
      devices: [there],
    } = await made(1);
    const fresh = { deviceId: unique('bulk') };
    const refusal = await failure(registry.addDevices([there, fresh]));
    assert.deepEqual(words(refusal), ['ArgumentError', 400]);
    assert.deepEqual(errors(refusal), [[there.deviceId, 'DeviceAlreadyExists']]);
    assert.equal((await registry.get(fresh.deviceId)).responseBody.deviceId, fresh.deviceId);
  },
);

fact(
  {
    area,
    call: 'registry.updateDevices(force)',
    service: 'takes the mode as the client spells it (Update)',
    source: 'LAB',
  },
  async () => {
    const { devices } = await made(2);
    const disabled = devices.map((device) => ({ ...device, status: 'disabled' }));
    assert.equal((await registry.updateDevices(disabled, true)).responseBody.isSuccessful, true);
    assert.equal((await registry.get(devices[1].deviceId)).responseBody.status, 'disabled');
  },
);

fact(
  {
    area,
    call: 'registry.updateDevices() with etags',
    service: 'reads them as the client spells them (etag), and refuses a stale one',
    source: 'LAB; SWAGGER',
  },
  async () => {
    const {
      devices: [device],
    } = await made(1);
    const {
      responseBody: { etag },
    } = await registry.get(device.deviceId);
    const disabled = { ...device, status: 'disabled', etag };
    assert.equal((await registry.updateDevices([disabled], false)).responseBody.isSuccessful, true);
    const refusal = await failure(registry.updateDevices([{ ...disabled, status: 'enabled' }], false));
    assert.deepEqual(errors(refusal), [[device.deviceId, 'PreconditionFailed']]);
  },
);

fact(
  { area, call: 'registry.removeDevices(force)', service: 'deletes whatever the etag', source: 'REC; LAB' },
  async () => {
    const { devices } = await made(2);
    assert.equal((await registry.removeDevices(devices, true)).responseBody.isSuccessful, true);
    assert.deepEqual(words(await failure(registry.get(devices[0].deviceId))), ['DeviceNotFoundError', 404]);
  },
);

fact(
  {
    area,
    call: 'registry.removeDevices() with etags',
    service: 'refuses a stale one and leaves the device',
    source: 'SWAGGER; LAB',
  },
  async () => {
    const {
      devices: [device],
    } = await made(1);
    const refusal = await failure(registry.removeDevices([{ ...device, etag: 'AAAA' }], false));
    assert.deepEqual(errors(refusal), [[device.deviceId, 'PreconditionFailed']]);
    const {
      responseBody: { etag },
    } = await registry.get(device.deviceId);
    assert.equal((await registry.removeDevices([{ ...device, etag }], false)).responseBody.isSuccessful, true);
  },
);

fact(
  {
    area,
    call: 'registry.removeDevices() of nothing',
    service: 'names the device that is not there',
    source: 'SWAGGER',
  },
  async () => {
    const deviceId = unique('none');
    assert.deepEqual(errors(await failure(registry.removeDevices([{ deviceId }], true))), [
      [deviceId, 'DeviceNotFound'],
    ]);
  },
);
