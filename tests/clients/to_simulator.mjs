// Loaded before a client (node --import): these clients have the address of the test environment in their code. What they
// send there goes to the simulator instead, over TLS as before; anything to another place is refused.

import https from "node:https";

const TEST_ENVIRONMENT = "apitest.vipps.no";
const simulator = new URL(process.env.SIMULATOR_URL);

function must_be_test_environment(host) {
  if (host !== TEST_ENVIRONMENT) throw new Error(`a request to ${host}, which is not ${TEST_ENVIRONMENT}`);
}

const fetch_as_it_is = globalThis.fetch;
globalThis.fetch = (input, options) => {
  const request = new Request(input, options);
  const url = new URL(request.url);
  must_be_test_environment(url.host);
  return fetch_as_it_is(new Request(new URL(url.pathname + url.search, simulator), request));
};

const request_as_it_is = https.request;
https.request = (options, ...more) => {
  must_be_test_environment(options.hostname);
  return request_as_it_is({ ...options, hostname: simulator.hostname, port: simulator.port }, ...more);
};
