'use strict';
const assert = require('node:assert/strict');
const https = require('node:https');
const tls = require('node:tls');
const { once } = require('node:events');
const { Client, JobClient } = require('azure-iothub');
const { fact, failure, unique } = require('../contract');
const { hub, registry } = require('../hub');

const source = 'out of scope';
const service = 'is refused with 501 and the name of the call';

/** Holds when the refusal names what was asked for. */
function named(error, name) {
  assert.equal(error.response?.statusCode, 501, String(error));
  assert.ok(error.responseBody.includes(name), error.responseBody);
}

fact({ area: 'direct methods', call: 'client.invokeDeviceMethod()', service, source, refused: true }, async () => {
  const deviceId = unique('method');
  await registry.create({ deviceId });
  const client = Client.fromConnectionString(hub.connectionString);
  named(await failure(client.invokeDeviceMethod(deviceId, { methodName: 'reboot', payload: null })), '/methods');
});

fact({ area: 'scheduled jobs', call: 'jobClient.getJob()', service, source, refused: true }, async () => {
  const jobs = JobClient.fromConnectionString(hub.connectionString);
  named(await failure(jobs.getJob(unique('job'))), '/jobs/v2/');
});

fact({ area: 'scheduled jobs', call: 'jobClient.scheduleTwinUpdate()', service, source, refused: true }, async () => {
  const jobs = JobClient.fromConnectionString(hub.connectionString);
  const patch = { etag: '*', tags: { site: 'A' } };
  named(await failure(jobs.scheduleTwinUpdate(unique('job'), "deviceId = 'x'", patch, new Date(), 60)), '/jobs/v2/');
});

fact({ area: 'scheduled jobs', call: 'jobClient.cancelJob()', service, source, refused: true }, async () => {
  const jobs = JobClient.fromConnectionString(hub.connectionString);
  named(await failure(jobs.cancelJob(unique('job'))), '/jobs/v2/');
});

// What every client of AMQP sends first: the header, and an open.
const AMQP = 'AMQP of devices and services';
const OPEN = Buffer.from('414d515000010000' + '00000011020000000053' + '10c00401a10164', 'hex');
const refusal = 'opens, and closes with amqp:not-implemented and what is spoken instead';

/** Holds when a connection is closed for a reason that it names. */
async function refused(socket, bytes) {
  socket.write(bytes);
  let heard = '';
  for await (const chunk of socket.setEncoding('latin1')) {
    heard += chunk;
    if (heard.includes('WebSockets')) break;
  }
  assert.match(heard, /amqp:not-implemented.*MQTT is/s);
  socket.destroy();
}

fact(
  { area: AMQP, call: 'client.open() over WebSockets', service: refusal, source: 'out of scope', refused: true },
  async () => {
    const headers = {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': Buffer.alloc(16).toString('base64'),
      'sec-websocket-protocol': 'AMQPWSB10',
    };
    const [response, socket] = await once(
      https.request(`https://${hub.hostName}/$iothub/websocket`, { headers, agent: false }).end(),
      'upgrade',
    );
    assert.equal(response.headers['sec-websocket-protocol'], 'AMQPWSB10');
    // One binary message, with a mask of zeros.
    await refused(socket, Buffer.concat([Buffer.from([0x82, 0x80 | OPEN.length, 0, 0, 0, 0]), OPEN]));
  },
);

fact({ area: AMQP, call: 'client.open()', service: refusal, source: 'out of scope', refused: true }, async () => {
  const socket = tls.connect({ port: 5671, host: hub.hostName, servername: hub.hostName });
  await once(socket, 'secureConnect');
  await refused(socket, OPEN);
});
