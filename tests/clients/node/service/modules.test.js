'use strict';
const assert = require('node:assert/strict');
const { promisify } = require('node:util');
const { fact, failure, unique, words } = require('../contract');
const { KEYS, registry, sas } = require('../hub');

const area = 'module identities';

async function made(module = {}) {
  const deviceId = unique('host');
  await registry.create({ deviceId });
  const { responseBody } = await registry.addModule({ deviceId, moduleId: 'camera', ...module });
  return responseBody;
}

fact(
  { area, call: 'registry.addModule()', service: 'keeps keys and owner, has no status', source: 'SWAGGER; REC' },
  async () => {
    const module = await made({ managedBy: 'somebody', ...sas(KEYS) });
    assert.deepEqual(module.authentication.symmetricKey, KEYS);
    assert.deepEqual([module.moduleId, module.managedBy, module.status], ['camera', 'somebody', undefined]);
  },
);

fact(
  {
    area,
    call: 'registry.addModule() of what is there',
    service: 'answers 409 ModuleAlreadyExistsOnDevice',
    source: 'TF errors_test.go',
  },
  async () => {
    const { deviceId } = await made();
    const error = await failure(registry.addModule({ deviceId, moduleId: 'camera' }));
    assert.deepEqual(words(error), ['DeviceAlreadyExistsError', 409]);
    assert.match(error.responseBody, /409301/);
  },
);

fact(
  {
    area,
    call: 'registry.addModule() on no device',
    service: 'answers 401, not 404, to a shared access signature',
    source: 'TF App.D',
  },
  async () => {
    const refusal = await failure(registry.addModule({ deviceId: unique('none'), moduleId: 'camera' }));
    assert.deepEqual(words(refusal), ['UnauthorizedError', 401]);
  },
);

fact(
  {
    area,
    call: 'registry.getModule()',
    service: 'answers the identity, without an ETag header',
    source: 'REC:ModulesClientTests',
  },
  async () => {
    const { deviceId, etag } = await made(sas(KEYS));
    const { responseBody: module, httpResponse } = await registry.getModule(deviceId, 'camera');
    assert.deepEqual([module.etag, module.authentication.symmetricKey], [etag, KEYS]);
    assert.equal(httpResponse.headers.etag, undefined);
  },
);

fact(
  { area, call: 'registry.getModulesOnDevice()', service: 'lists the modules of one device', source: 'SWAGGER' },
  async () => {
    const { deviceId } = await made();
    await registry.addModule({ deviceId, moduleId: 'radio' });
    const { responseBody: modules } = await registry.getModulesOnDevice(deviceId);
    assert.deepEqual(modules.map((module) => module.moduleId).sort(), ['camera', 'radio']);
  },
);

fact(
  {
    area,
    call: 'registry.updateModule() with etag',
    service: 'replaces the identity, and refuses a stale etag with 412',
    source: 'TF; REC',
  },
  async () => {
    const module = await made({ managedBy: 'somebody', ...sas(KEYS) });
    const { responseBody: updated } = await registry.updateModule({ ...module, managedBy: 'other' });
    assert.equal(updated.managedBy, 'other');
    assert.deepEqual(words(await failure(registry.updateModule(module))), ['InvalidEtagError', 412]);
  },
);

fact({ area, call: 'registry.updateModule(force)', service: 'goes by "*"', source: 'LAB' }, async () => {
  const module = await made(sas(KEYS));
  await registry.updateModule({ ...module, managedBy: 'other' }, true);
  const { responseBody: updated } = await registry.updateModule({ ...module, managedBy: 'third' }, true);
  assert.deepEqual([updated.managedBy, updated.authentication.symmetricKey], ['third', KEYS]);
});

fact(
  { area, call: 'registry.removeModule()', service: 'answers 204, and the module is gone', source: 'SWAGGER' },
  async () => {
    const { deviceId } = await made();
    await registry.removeModule(deviceId, 'camera');
    assert.equal((await failure(registry.getModule(deviceId, 'camera'))).response.statusCode, 404);
  },
);

fact(
  {
    area,
    call: 'registry.removeModule() with a stale etag',
    service: 'answers 412 and leaves the module',
    source: 'TF §11.1',
    difference:
      'The Node service client removes a module by its ETag in the callback form only; as a promise `removeModule(module)` throws.',
  },
  async () => {
    const module = await made(sas(KEYS));
    await registry.updateModule({ ...module, managedBy: 'other' });
    await assert.rejects(registry.removeModule(module), ReferenceError);
    const remove = promisify((identity, done) => registry.removeModule(identity, done));
    assert.deepEqual(words(await failure(remove(module))), ['InvalidEtagError', 412]);
    assert.equal((await registry.getModule(module.deviceId, 'camera')).responseBody.managedBy, 'other');
  },
);
