'use strict';
const assert = require('node:assert/strict');
const https = require('node:https');
const net = require('node:net');
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

// The client's AMQP is asked for without the client, which tries again for ever.
const AMQP = 'AMQP of devices and services';

fact(
  { area: AMQP, call: 'the WebSocket upgrade of client.open()', service, source: 'LAB; out of scope', refused: true },
  async () => {
    const headers = {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': Buffer.alloc(16).toString('base64'),
      'sec-websocket-protocol': 'AMQPWSB10',
    };
    const [response] = await once(
      https.request(`https://${hub.hostName}/$iothub/websocket`, { headers, agent: false }).end(),
      'response',
    );
    const body = (await response.setEncoding('utf8').toArray()).join('');
    assert.equal(response.statusCode, 501);
    assert.match(body, /AMQPWSB10/);
  },
);

fact(
  {
    area: AMQP,
    call: 'the connection of client.open()',
    service: 'finds nobody on 5671',
    source: 'LAB; out of scope',
    refused: true,
  },
  async () => {
    const [error] = await once(net.connect(5671, hub.hostName), 'error');
    assert.equal(error.code, 'ECONNREFUSED');
  },
);
