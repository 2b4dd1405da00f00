'use strict';
const { Message } = require('azure-iot-device');
const { fact } = require('../contract');
const { connected, connectionString, device, made } = require('../device');

const area = 'telemetry';

fact(
  { area, call: 'client.sendEvent()', service: 'is acknowledged with PUBACK', source: 'DOC iot-mqtt-connect; LAB' },
  async () => {
    const message = new Message(JSON.stringify({ temperature: 21.5 }));
    message.properties.add('alert', 'a/b & c=d');
    message.messageId = 'one';
    await connected(device(connectionString(await made())), (client) => client.sendEvent(message));
  },
);

fact(
  { area, call: 'client.sendEventBatch()', service: 'is acknowledged message by message', source: 'NODEDEV' },
  async () => {
    const messages = [1, 2, 3].map((number) => new Message(String(number)));
    await connected(device(connectionString(await made())), async (client) => {
      for (const message of messages) await client.sendEvent(message);
    });
  },
);
