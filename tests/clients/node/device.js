'use strict';
// The device client over the transport that the suite is about.

const { Client, ModuleClient } = require('azure-iot-device');
const { NoRetry } = require('azure-iot-common');
const transports = require('azure-iot-device-mqtt');
const { unique } = require('./contract');
const { KEYS, hub, registry, sas } = require('./hub');

const transport = transports[process.env.TRANSPORT];

/** A new device with known keys: its id. */
async function made(name = 'device', members = {}) {
  const deviceId = unique(name);
  await registry.create({ deviceId, ...sas(KEYS), ...members });
  return deviceId;
}

const connectionString = (deviceId, key = KEYS.primaryKey) =>
  `HostName=${hub.hostName};DeviceId=${deviceId};SharedAccessKey=${key}`;

/** Not retried: a refusal is seen at once, and a lost connection stays lost. */
function once(client) {
  client.setRetryPolicy(new NoRetry());
  return client;
}

const device = (text) => once(Client.fromConnectionString(text, transport));
const module_ = (text) => once(ModuleClient.fromConnectionString(text, transport));
const withToken = (token) => once(Client.fromSharedAccessSignature(token, transport));

/** Runs `body` with an open client, and closes it whatever happens. */
async function connected(client, body) {
  await client.open();
  try {
    return await body(client);
  } finally {
    await client.close();
  }
}

/** `reported.update`, which only takes a callback. */
const report = (twin, patch) =>
  new Promise((resolve, reject) =>
    twin.properties.reported.update(patch, (error) => (error ? reject(error) : resolve())),
  );

module.exports = { connected, connectionString, device, made, module_, report, withToken };
