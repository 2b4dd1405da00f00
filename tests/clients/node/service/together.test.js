'use strict';
const assert = require('node:assert/strict');
const { Registry } = require('azure-iothub');
const { fact, failure, unique, words, world } = require('../contract');

const area = 'two hubs on one address';
const { northwind, adventure } = world.hubs;

fact(
  {
    area,
    call: 'registry.create()',
    service: 'reaches the hub that the host name says',
    source: 'LAB (SNI and Host header)',
  },
  async () => {
    const [here, there] = [northwind, adventure].map((hub) => Registry.fromConnectionString(hub.connectionString));
    const deviceId = unique('together');
    await here.create({ deviceId });
    assert.equal((await here.get(deviceId)).responseBody.deviceId, deviceId);
    assert.deepEqual(words(await failure(there.get(deviceId))), ['DeviceNotFoundError', 404]);
  },
);

fact(
  { area, call: "registry.list() with the other hub's key", service: 'is refused with 401', source: 'DOC sas' },
  async () => {
    const mixed = adventure.connectionString.replace(/HostName=[^;]+/, `HostName=${northwind.hostName}`);
    assert.deepEqual(words(await failure(Registry.fromConnectionString(mixed).list())), ['UnauthorizedError', 401]);
  },
);
