'use strict';
const assert = require('node:assert/strict');
const { Registry } = require('azure-iothub');
const { fact, failure, unique, world } = require('../contract');
const { connected, device } = require('../device');

const area = 'two hubs on one address';
const { northwind, adventure } = world.hubs;

/** One device id on both hubs, with keys of its own on each: the connection strings. */
async function onBoth() {
  const deviceId = unique('together');
  return Promise.all(
    [northwind, adventure].map(async ({ hostName, connectionString }) => {
      const registry = Registry.fromConnectionString(connectionString);
      const { responseBody: made } = await registry.create({ deviceId });
      await registry.updateTwin(deviceId, { properties: { desired: { hub: hostName } } }, '*');
      return `HostName=${hostName};DeviceId=${deviceId};SharedAccessKey=${made.authentication.symmetricKey.primaryKey}`;
    }),
  );
}

fact(
  {
    area,
    call: 'open() to either',
    service: 'reaches the hub that the user name says',
    source: 'LAB (SNI and MQTT user name)',
  },
  async () => {
    const texts = await onBoth();
    const twins = await Promise.all(texts.map((text) => connected(device(text), (client) => client.getTwin())));
    assert.deepEqual(
      twins.map((twin) => twin.properties.desired.hub),
      [northwind.hostName, adventure.hostName],
    );
  },
);

fact(
  { area, call: 'open() with the key of the other', service: 'is refused with CONNACK 5', source: 'DOC sas' },
  async () => {
    const [, there] = await onBoth();
    const error = await failure(device(there.replace(adventure.hostName, northwind.hostName)).open());
    assert.match(error.message, /Connection refused: Not authorized/);
  },
);
