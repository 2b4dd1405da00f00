'use strict';
const assert = require('node:assert/strict');
const { SharedAccessSignature } = require('azure-iot-device');
const { fact, failure, unique, world } = require('../contract');
const { KEYS, hub, registry, sas } = require('../hub');
const { connected, connectionString, device, made, module_, withToken } = require('../device');

const area = 'device connections';
const refused = 'is refused with CONNACK 5';
const twinOf = (client) => connected(client, () => client.getTwin());

/** The client wraps whatever fails first in an UnauthorizedError; only the broker's own words tell a verdict. */
async function assertRefused(client) {
  const error = await failure(client.open());
  assert.equal(error.constructor.name, 'UnauthorizedError');
  assert.match(error.message, /Connection refused: Not authorized/);
}

fact(
  { area, call: 'open() with either device key', service: 'lets the device in', source: 'LAB; DOC sas' },
  async () => {
    const deviceId = await made();
    for (const key of Object.values(KEYS)) {
      assert.equal((await twinOf(device(connectionString(deviceId, key)))).properties.reported.$version, 1);
    }
  },
);

fact(
  { area, call: 'open() with a module key', service: 'lets the module in, to its own twin', source: 'LAB; NODEDEV' },
  async () => {
    const deviceId = await made();
    await registry.addModule({ deviceId, moduleId: 'camera', ...sas(KEYS) });
    await registry.updateModuleTwin(deviceId, 'camera', { properties: { desired: { lens: 50 } } }, '*');
    const twin = await twinOf(module_(`${connectionString(deviceId)};ModuleId=camera`));
    assert.equal(twin.properties.desired.lens, 50);
  },
);

fact(
  {
    area,
    call: "open() with a hub policy's key",
    service: 'lets it act as the device',
    source: 'LAB; NODEDEV sak_authentication_provider.ts; ORIG',
  },
  async () => {
    const deviceId = await made();
    assert.equal((await twinOf(device(`${hub.connectionString};DeviceId=${deviceId}`))).properties.desired.$version, 1);
  },
);

fact({ area, call: 'open() with an odd id', service: 'takes the client id as it is', source: 'LAB' }, async () => {
  const deviceId = await made("a%41(),@$!*_:.'");
  assert.equal((await twinOf(device(connectionString(deviceId)))).properties.desired.$version, 1);
});

fact({ area, call: 'open() with a wrong key', service: refused, source: 'NODEDEV mqtt_base.ts; LAB' }, async () => {
  await assertRefused(device(connectionString(await made(), Buffer.alloc(32, 7).toString('base64'))));
});

fact({ area, call: 'open() of nothing', service: refused, source: 'NODEDEV mqtt_base.ts' }, async () => {
  await assertRefused(device(connectionString(unique('none'))));
});

fact({ area, call: 'open() with an expired token', service: refused, source: 'DOC sas; CS MaxClockSkew' }, async () => {
  const hourAgo = Math.floor(Date.now() / 1000) - 3600;
  const token = SharedAccessSignature.create(hub.hostName, await made(), KEYS.primaryKey, hourAgo).toString();
  await assertRefused(withToken(token));
});

fact({ area, call: 'open() with a token for another hub', service: refused, source: 'DOC sas' }, async () => {
  const deviceId = await made();
  const other = Object.values(world.hubs).find((known) => known.hostName !== hub.hostName);
  await assertRefused(device(`HostName=${other.hostName};DeviceId=${deviceId};SharedAccessKey=${KEYS.primaryKey}`));
});

fact({ area, call: 'open() of a disabled device', service: refused, source: 'DOC identity-registry' }, async () => {
  await assertRefused(device(connectionString(await made('disabled', { status: 'disabled' }))));
});

fact(
  {
    area,
    call: 'open() a second time',
    service: 'closes the first connection',
    source: 'DOC troubleshoot; DOC iot-mqtt-connect',
  },
  async () => {
    const deviceId = await made();
    const first = device(connectionString(deviceId));
    await first.open();
    const lost = new Promise((resolve) => first.once('disconnect', resolve));
    await connected(device(connectionString(deviceId)), async (second) => {
      await lost;
      assert.equal((await second.getTwin()).properties.desired.$version, 1);
    });
  },
);
