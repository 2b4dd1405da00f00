'use strict';
const assert = require('node:assert/strict');
const { fact, failure, unique, words } = require('../contract');
const { registry } = require('../hub');

const area = 'queries';

/** Devices whose tag `batch` is theirs alone. */
async function batch(count) {
  const name = unique('batch');
  const devices = Array.from({ length: count }, (_, number) => ({
    deviceId: `${name}-${number}`,
    tags: { batch: name, number },
  }));
  await registry.addDevices(devices);
  return name;
}

async function pages(query) {
  const found = [];
  while (query.hasMoreResults) found.push((await query.nextAsTwin()).result.map((twin) => twin.deviceId));
  return found;
}

fact(
  {
    area,
    call: 'registry.createQuery(…, 2)',
    service: 'pages by x-ms-max-item-count and ends without a continuation',
    source: 'LAB; REC:QueryTests',
  },
  async () => {
    const name = await batch(5);
    const found = await pages(registry.createQuery(`SELECT * FROM devices WHERE tags.batch = '${name}'`, 2));
    assert.deepEqual(
      found.map((page) => page.length),
      [2, 2, 1],
    );
    assert.equal(new Set(found.flat()).size, 5);
  },
);

fact(
  {
    area,
    call: 'registry.createQuery() by device id',
    service: 'answers twins, which the client can write to',
    source: 'DOC query-language',
  },
  async () => {
    const name = await batch(1);
    const query = registry.createQuery(`SELECT * FROM devices WHERE deviceId = '${name}-0'`);
    const [twin] = (await query.nextAsTwin()).result;
    await twin.update({ tags: { seen: true } });
    assert.equal(twin.tags.seen, true);
  },
);

fact(
  {
    area,
    call: 'registry.createQuery() of members',
    service: 'answers raw rows with just these',
    source: 'DOC query-language; LAB',
  },
  async () => {
    const name = await batch(2);
    const query = registry.createQuery(
      `SELECT deviceId, tags.number AS number FROM devices WHERE tags.batch = '${name}' AND tags.number IN [1]`,
    );
    assert.deepEqual((await query.next()).result, [{ deviceId: `${name}-1`, number: 1 }]);
  },
);

fact(
  { area, call: 'registry.createQuery() with COUNT()', service: 'answers one row', source: 'DOC query-language; TF' },
  async () => {
    const name = await batch(3);
    const query = registry.createQuery(`SELECT COUNT() AS total FROM devices WHERE tags.batch = '${name}'`);
    assert.deepEqual((await query.next()).result, [{ total: 3 }]);
  },
);

fact(
  {
    area,
    call: 'registry.createQuery() of modules',
    service: 'answers module twins from devices.modules',
    source: 'DOC query-language',
  },
  async () => {
    const name = await batch(1);
    await registry.addModule({ deviceId: `${name}-0`, moduleId: 'camera' });
    const query = registry.createQuery(`SELECT * FROM devices.modules WHERE deviceId = '${name}-0'`);
    assert.deepEqual(
      (await query.nextAsTwin()).result.map((twin) => twin.moduleId),
      ['camera'],
    );
  },
);

fact(
  { area, call: 'registry.createQuery() of nonsense', service: 'answers 400 ArgumentInvalid', source: 'TF' },
  async () => {
    const error = await failure(registry.createQuery('SELECT FROM WHERE').next());
    assert.deepEqual(words(error), ['ArgumentError', 400]);
  },
);
