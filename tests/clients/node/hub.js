'use strict';
// The hub that a suite works on, through the official service client.

const { Registry } = require('azure-iothub');
const { world } = require('./contract');

const hub = world.hubs[process.env.CONFORMANCE_HUB];

const KEYS = {
  primaryKey: 'bm90LWEtc2VjcmV0LWp1c3QtYS10ZXN0LXZhbHVlLTAwMQ==',
  secondaryKey: 'bm90LWEtc2VjcmV0LWp1c3QtYS10ZXN0LXZhbHVlLTAwMg==',
};
const THUMBPRINTS = {
  primaryThumbprint: 'A9993E364706816ABA3E25717850C26C9CD0D89D',
  secondaryThumbprint: 'a9993e364706816aba3e25717850c26c9cd0d89d',
};

module.exports = {
  KEYS,
  THUMBPRINTS,
  hub,
  registry: Registry.fromConnectionString(hub.connectionString),
  sas: (symmetricKey) => ({ authentication: { type: 'sas', symmetricKey } }),
};
