'use strict';
const assert = require('node:assert/strict');
const { createServer } = require('node:net');
const { once } = require('node:events');
const { setTimeout: wait } = require('node:timers/promises');
const { fact, failure, unique, words } = require('../contract');
const { KEYS, registry, sas } = require('../hub');
const { container } = require('../storage');

const area = 'import and export jobs';
const ENDED = ['completed', 'failed', 'cancelled'];

/** The job when it has ended. */
async function ended({ jobId }) {
  for (;;) {
    const job = await registry.getJob(jobId);
    if (ENDED.includes(job.status)) return job;
    await wait(50);
  }
}

const lines = (text) => text.split(/\r?\n/).filter(Boolean);

fact(
  {
    area,
    call: 'registry.exportDevicesToBlob()',
    service: 'writes one line of JSON a device, with keys and twin',
    source: 'DOC bulk-identity-mgmt; TF',
  },
  async () => {
    const deviceId = unique('exported');
    await registry.create({ deviceId, ...sas(KEYS) });
    await registry.updateTwin(deviceId, { tags: { site: 'A' } }, '*');
    const output = await container();
    const job = await ended(await registry.exportDevicesToBlob(output.uri, false));
    assert.deepEqual(
      [job.type, job.status, job.progress, job.failureReason ?? null],
      ['export', 'completed', 100, null],
    );
    const device = lines(await output.read('devices.txt'))
      .map((line) => JSON.parse(line))
      .find(({ id }) => id === deviceId);
    assert.deepEqual(
      [device.authentication.symmetricKey, device.tags, device.twinETag],
      [KEYS, { site: 'A' }, 'AAAAAAAAAAI='],
    );
  },
);

fact(
  {
    area,
    call: 'registry.exportDevicesToBlob(excludeKeys)',
    service: 'begins with a warning that is no JSON, and has no keys',
    source: 'TF; CS samples',
  },
  async () => {
    await registry.create({ deviceId: unique('exported'), ...sas(KEYS) });
    const output = await container();
    await ended(await registry.exportDevicesToBlob(output.uri, true));
    const [warning, ...devices] = lines(await output.read('devices.txt'));
    assert.throws(() => JSON.parse(warning));
    assert.ok(devices.length > 0 && devices.every((line) => !line.includes(KEYS.primaryKey) && JSON.parse(line).id));
  },
);

fact(
  {
    area,
    call: 'registry.importDevicesFromBlob()',
    service: 'makes devices with keys and twins',
    source: 'DOC bulk-identity-mgmt',
  },
  async () => {
    const [input, output] = [await container(), await container()];
    const id = unique('imported');
    await input.write(
      'devices.txt',
      JSON.stringify({ id, importMode: 'createOrUpdate', status: 'enabled', ...sas(KEYS), tags: { site: 'A' } }),
    );
    const job = await ended(await registry.importDevicesFromBlob(input.uri, output.uri));
    assert.deepEqual([job.type, job.status], ['import', 'completed']);
    assert.deepEqual((await registry.get(id)).responseBody.authentication.symmetricKey, KEYS);
    assert.deepEqual((await registry.getTwin(id)).responseBody.tags, { site: 'A' });
  },
);

fact(
  {
    area,
    call: 'registry.importDevicesFromBlob() of what is there',
    service: 'completes without a reason, and importErrors.log names the line',
    source: 'TF; DOC bulk-identity-mgmt',
  },
  async () => {
    const [input, output] = [await container(), await container()];
    const id = unique('there');
    await registry.create({ deviceId: id });
    await input.write('devices.txt', JSON.stringify({ id, importMode: 'create', status: 'enabled' }));
    const job = await ended(await registry.importDevicesFromBlob(input.uri, output.uri));
    assert.deepEqual([job.status, job.failureReason ?? null], ['completed', null]);
    const [error] = lines(await output.read('importErrors.log')).map((line) => JSON.parse(line));
    assert.deepEqual([error.deviceId, error.errorCode], [id, 409001]);
  },
);

fact(
  { area, call: 'registry.listJobs()', service: 'lists the jobs there were', source: 'REC:JobsClientTests' },
  async () => {
    const job = await ended(await registry.exportDevicesToBlob((await container()).uri, true));
    const { responseBody: jobs } = await registry.listJobs();
    assert.ok(jobs.some(({ jobId, type }) => jobId === job.jobId && type === 'export'));
  },
);

fact({ area, call: 'registry.getJob() of nothing', service: 'answers 404 JobNotFound', source: 'TF' }, async () => {
  const error = await failure(registry.getJob(unique('none')));
  assert.deepEqual([error.response.statusCode, error.response.headers['iothub-errorcode']], [404, 'JobNotFound']);
});

fact(
  {
    area,
    call: 'registry.exportDevicesToBlob() with a bad signature',
    service: 'answers 400 BlobContainerValidationError at once',
    source: 'TF',
  },
  async () => {
    const { uri } = await container();
    const error = await failure(registry.exportDevicesToBlob(uri.replace(/sig=[^&]+/, 'sig=AAAA'), true));
    assert.deepEqual(words(error), ['ArgumentError', 400]);
    assert.equal(error.response.headers['iothub-errorcode'], 'BlobContainerValidationError');
  },
);

fact(
  {
    area,
    call: 'registry.exportDevicesToBlob() beside another',
    service: 'answers 403 JobQuotaExceeded: one at a time, on every tier',
    source: 'DOC bulk-identity-mgmt; TF',
  },
  async () => {
    // Storage that never answers, until it is closed, keeps the first job where it is.
    const stalled = createServer().listen(0, '127.0.0.1').unref();
    await once(stalled, 'listening');
    const arrived = once(stalled, 'connection');
    const first = failure(
      registry.exportDevicesToBlob(`http://127.0.0.1:${stalled.address().port}/jobs?sig=AAAA`, true),
    );
    const [connection] = await arrived;
    try {
      const error = await failure(registry.exportDevicesToBlob((await container()).uri, true));
      assert.deepEqual(
        [error.response.statusCode, error.response.headers['iothub-errorcode']],
        [403, 'JobQuotaExceeded'],
      );
    } finally {
      connection.destroy();
      stalled.close();
      await first;
    }
  },
);

fact(
  {
    area,
    call: 'registry.cancelJob()',
    service: 'is taken also when the job has ended',
    source: 'SWAGGER (200 or 204)',
  },
  async () => {
    const job = await ended(await registry.exportDevicesToBlob((await container()).uri, true));
    await registry.cancelJob(job.jobId);
  },
);
