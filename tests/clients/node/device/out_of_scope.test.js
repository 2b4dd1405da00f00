'use strict';
const assert = require('node:assert/strict');
const { SharedAccessSignature } = require('azure-iot-device');
const { fact, failure } = require('../contract');
const { KEYS, hub } = require('../hub');
const { made, withToken } = require('../device');

fact({ area: 'file upload', call: 'client.getBlobSharedAccessSignature()', service: 'is refused with 501 and the name of the call', source: 'out of scope', refused: true }, async () => {
  // With a token instead of a key, because a client that never connects does not stop the timer that renews its own.
  const expiry = Math.floor(Date.now() / 1000) + 3600;
  const client = withToken(SharedAccessSignature.create(hub.hostName, await made(), KEYS.primaryKey, expiry).toString());
  const error = await failure(client.getBlobSharedAccessSignature('photo.jpg'));
  assert.match(`${error.message} ${error.responseBody}`, /files/);
});
