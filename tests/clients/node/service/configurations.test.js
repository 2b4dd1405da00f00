'use strict';
const assert = require('node:assert/strict');
const { fact, failure, unique, words } = require('../contract');
const { registry } = require('../hub');

const area = 'configurations';

const fresh = () => ({
  id: unique('configuration'),
  labels: { made: 'here' },
  content: { deviceContent: { 'properties.desired.rate': 5 } },
  targetCondition: "tags.site = 'nowhere'",
  priority: 10,
});

/** A stored configuration. */
async function made() {
  const { responseBody } = await registry.addConfiguration(fresh());
  return responseBody;
}

fact(
  {
    area,
    call: 'registry.addConfiguration()',
    service: 'answers it with an ETag, in the header too',
    source: 'SWAGGER; DOC',
  },
  async () => {
    const { responseBody: configuration, httpResponse } = await registry.addConfiguration(fresh());
    assert.deepEqual([configuration.priority, configuration.schemaVersion], [10, '1.0']);
    assert.equal(httpResponse.headers.etag, `"${configuration.etag}"`);
  },
);

fact(
  {
    area,
    call: 'registry.addConfiguration() of what is there',
    service: 'answers 409 ConfigurationAlreadyExists',
    source: 'TF §11.1',
  },
  async () => {
    const { id, content } = await made();
    const error = await failure(registry.addConfiguration({ id, content }));
    assert.deepEqual(words(error), ['DeviceAlreadyExistsError', 409]);
    assert.equal(error.response.headers['iothub-errorcode'], 'ConfigurationAlreadyExists');
  },
);

fact(
  {
    area,
    call: 'registry.getConfiguration() and getConfigurations()',
    service: 'answer what was stored',
    source: 'SWAGGER',
  },
  async () => {
    const { id, etag } = await made();
    const { responseBody: read } = await registry.getConfiguration(id);
    assert.deepEqual([read.etag, read.labels, read.targetCondition], [etag, { made: 'here' }, "tags.site = 'nowhere'"]);
    const { responseBody: all } = await registry.getConfigurations();
    assert.ok(all.some((configuration) => configuration.id === id));
  },
);

fact({ area, call: 'registry.getConfiguration() of nothing', service: 'answers 404', source: 'SWAGGER' }, async () => {
  assert.equal((await failure(registry.getConfiguration(unique('none')))).response.statusCode, 404);
});

fact(
  {
    area,
    call: 'registry.updateConfiguration() with etag',
    service: 'updates, and refuses a stale etag with 412',
    source: 'TF §11.1',
  },
  async () => {
    const configuration = await made();
    const { responseBody: updated } = await registry.updateConfiguration({ ...configuration, priority: 20 });
    assert.equal(updated.priority, 20);
    assert.deepEqual(words(await failure(registry.updateConfiguration({ ...configuration, priority: 30 }))), [
      'InvalidEtagError',
      412,
    ]);
  },
);

fact(
  { area, call: 'registry.updateConfiguration(force)', service: 'goes by "*"', source: 'TF §11.1; LAB' },
  async () => {
    const configuration = await made();
    await registry.updateConfiguration({ ...configuration, priority: 20 }, true);
    const { responseBody: updated } = await registry.updateConfiguration({ ...configuration, priority: 30 }, true);
    assert.equal(updated.priority, 30);
  },
);

fact(
  {
    area,
    call: 'registry.updateConfiguration() of the content',
    service: 'answers 200 and keeps the old content',
    source: 'TF',
  },
  async () => {
    const configuration = await made();
    await registry.updateConfiguration({
      ...configuration,
      content: { deviceContent: { 'properties.desired.rate': 6 } },
    });
    const { responseBody: read } = await registry.getConfiguration(configuration.id);
    assert.deepEqual(read.content.deviceContent, { 'properties.desired.rate': 5 });
  },
);

fact(
  { area, call: 'registry.removeConfiguration()', service: 'deletes without any etag', source: 'TF §11.1; LAB' },
  async () => {
    const { id } = await made();
    assert.equal((await registry.removeConfiguration(id)).httpResponse.statusCode, 204);
    assert.equal((await failure(registry.getConfiguration(id))).response.statusCode, 404);
  },
);

fact(
  {
    area,
    call: 'registry.applyConfigurationContentOnDevice()',
    service: 'answers 400 for a device that is no edge device',
    source: 'SWAGGER',
  },
  async () => {
    const deviceId = unique('leaf');
    await registry.create({ deviceId });
    const content = { modulesContent: { $edgeAgent: { 'properties.desired': {} } } };
    assert.deepEqual(words(await failure(registry.applyConfigurationContentOnDevice(deviceId, content))), [
      'ArgumentError',
      400,
    ]);
  },
);

fact(
  {
    area,
    call: 'registry.applyConfigurationContentOnDevice() of an edge device',
    service: 'makes the modules that it names, and removes those of the last one',
    source: 'CLI test_iot_config_int.py',
  },
  async () => {
    const deviceId = unique('edge');
    await registry.create({ deviceId, capabilities: { iotEdge: true } });
    const modules = async (...names) => {
      const desired = { modules: Object.fromEntries(names.map((name) => [name, { type: 'docker' }])) };
      const modulesContent = { $edgeAgent: { 'properties.desired': desired } };
      await registry.applyConfigurationContentOnDevice(deviceId, { modulesContent });
      const { responseBody } = await registry.getModulesOnDevice(deviceId);
      return responseBody.map(({ moduleId }) => moduleId).sort();
    };
    assert.deepEqual(await modules('a'), ['$edgeAgent', '$edgeHub', 'a']);
    assert.deepEqual(await modules('b', 'c'), ['$edgeAgent', '$edgeHub', 'b', 'c']);
  },
);
