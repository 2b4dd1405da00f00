'use strict';
// Containers of the storage emulator, by plain requests: the hub gets their addresses.

const { unique, world } = require('./contract');

const { account, signature } = world.storage;
const address = (path, query = '') => `${account}/${path}?${query}${signature}`;

async function ask(url, options) {
  const response = await fetch(url, options);
  if (!response.ok) throw new Error(`storage answers ${response.status}: ${await response.text()}`);
  return response.text();
}

/** A new container. */
async function container() {
  const name = unique('jobs');
  await ask(address(name, 'restype=container&'), { method: 'PUT' });
  return {
    uri: address(name),
    read: (blob) => ask(address(`${name}/${blob}`)),
    write: (blob, body) =>
      ask(address(`${name}/${blob}`), { method: 'PUT', body, headers: { 'x-ms-blob-type': 'BlockBlob' } }),
  };
}

module.exports = { container };
