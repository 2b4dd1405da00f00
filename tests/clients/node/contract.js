'use strict';
// One statement of the contract: which call, what the service is known to do, and how that is known.

const fs = require('node:fs');
const { test } = require('node:test');

const world = JSON.parse(process.env.CONFORMANCE_WORLD);

/**
 * A test that says what it holds the emulator to.
 *
 * @param {{area: string, call: string, service: string, source: string, difference?: string, refused?: boolean}} fact
 *   `source` uses the tags of the contract's legend (tests/clients/README.md); `difference` says what this client is known to do
 *   otherwise than the others; `refused` marks what the emulator does not do and says so by name.
 * @param {(context: object) => Promise<void>} body
 */
function fact(fact, body) {
  test(`${fact.area}: ${fact.call} ${fact.service} [${fact.source}]`, { timeout: 30_000 }, async (context) => {
    const record = (ok) => fs.appendFileSync(process.env.CONFORMANCE_RESULTS, JSON.stringify({ ...fact, ok }) + '\n');
    try {
      await body(context);
    } catch (error) {
      record(false);
      throw error;
    }
    record(true);
  });
}

/** What a rejected promise was rejected with. */
async function failure(promise) {
  let value;
  try {
    value = await promise;
  } catch (error) {
    return error;
  }
  throw new Error(`expected a refusal, got ${JSON.stringify(value?.responseBody ?? value)}`);
}

/** The words of a REST refusal: the client's error class and the hub's status. */
const words = (error) => [error.constructor.name, error.response?.statusCode];

let made = 0;
/** A device id no other test uses. */
const unique = (name) => `${name}-${process.pid}-${(made += 1)}`;

module.exports = { fact, failure, unique, words, world };
