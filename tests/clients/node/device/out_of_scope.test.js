'use strict';
const assert = require('node:assert/strict');
const { SharedAccessSignature } = require('azure-iot-device');
const { fact, failure } = require('../contract');
const { KEYS, hub } = require('../hub');
const { connected, connectionString, device, made, withToken } = require('../device');

fact(
  {
    area: 'file upload',
    call: 'client.getBlobSharedAccessSignature()',
    service: 'is refused with 501 and the name of the call',
    source: 'out of scope',
    refused: true,
  },
  async () => {
    // With a token instead of a key, because a client that never connects does not stop the timer that renews its own.
    const expiry = Math.floor(Date.now() / 1000) + 3600;
    const client = withToken(
      SharedAccessSignature.create(hub.hostName, await made(), KEYS.primaryKey, expiry).toString(),
    );
    const error = await failure(client.getBlobSharedAccessSignature('photo.jpg'));
    assert.match(`${error.message} ${error.responseBody}`, /files/);
  },
);

const UNSEEN =
  'The device clients do not look at the SUBACK that refuses a subscription: the call succeeds, and nothing ever comes.';

/** Subscribes, and reads the twin over the same connection: by then a refusal would have come. */
async function subscribed(subscribe) {
  await connected(device(connectionString(await made())), async (client) => {
    const refusals = [];
    client.on('error', (error) => refusals.push(error));
    subscribe(client);
    await client.getTwin();
    assert.deepEqual(refusals, []);
  });
}

fact(
  {
    area: 'direct methods',
    call: 'client.onDeviceMethod()',
    service: 'is refused in the SUBACK',
    source: 'out of scope',
    refused: true,
    difference: UNSEEN,
  },
  () => subscribed((client) => client.onDeviceMethod('reboot', () => {})),
);

fact(
  {
    area: 'cloud-to-device messages',
    call: "client.on('message')",
    service: 'is refused in the SUBACK',
    source: 'out of scope',
    refused: true,
    difference: UNSEEN,
  },
  () => subscribed((client) => client.on('message', () => {})),
);
