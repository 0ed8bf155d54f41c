// @vippsmobilepay/sdk, the official one, as its documentation shows it.

import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "@vippsmobilepay/sdk";

const client = Client({
  merchantSerialNumber: "123456",
  subscriptionKey: "sim-subscription-key",
  useTestMode: true,
  retryRequests: false,
});

function data(result) {
  assert.equal(result.ok, true, JSON.stringify(result.error));
  return result.data;
}

const amount = (value) => ({ currency: "NOK", value });
const { access_token: token } = data(await client.auth.getToken("sim-client-id", "sim-client-secret"));

function payment(reference, more = {}) {
  return {
    amount: amount(24900),
    paymentMethod: { type: "WALLET" },
    customer: { phoneNumber: "4791234567" },
    customerInteraction: "CUSTOMER_PRESENT",
    reference,
    userFlow: "PUSH_MESSAGE",
    paymentDescription: "Taxi ride",
    ...more,
  };
}

async function decided(reference) {
  for (;;) {
    const info = data(await client.payment.info(token, reference));
    if (info.state !== "CREATED") return info;
    await sleep(100);
  }
}

// A ride with its receipt, captured, and something given back.
const receipt = {
  orderLines: [{
    id: "1", name: "Taxi ride", totalAmount: 24900, totalAmountExcludingTax: 22232, totalTaxAmount: 2668, taxRate: 1200,
    unitInfo: { unitPrice: 24900, quantity: "1", quantityUnit: "PCS" },
  }],
  bottomLine: { currency: "NOK", posId: "taxi_122", receiptNumber: "0527013501" },
};
assert.equal(data(await client.payment.create(token, payment("official-0001", { receipt }))).reference, "official-0001");
assert.equal((await decided("official-0001")).state, "AUTHORIZED");
const captured = data(await client.payment.capture(token, "official-0001", { modificationAmount: amount(24900) }));
assert.equal(captured.aggregate.capturedAmount.value, 24900);
const refunded = data(await client.payment.refund(token, "official-0001", { modificationAmount: amount(4900) }));
assert.equal(refunded.aggregate.refundedAmount.value, 4900);
const history = data(await client.payment.history(token, "official-0001"));
assert.deepEqual(history.map((event) => event.name).sort(), ["AUTHORIZED", "CAPTURED", "CREATED", "REFUNDED"]);

// Approved by the test environment's own call, and the reservation given up.
data(await client.payment.create(token, payment("official-0002")));
data(await client.payment.forceApprove(token, "official-0002", { customer: { phoneNumber: "4791234567" } }));
const cancelled = data(await client.payment.cancel(token, "official-0002"));
assert.equal(cancelled.aggregate.cancelledAmount.value, 24900);

// A passenger who declines, and one whom nobody knows.
data(await client.payment.create(token, payment("official-0003", { customer: { phoneNumber: "4799999903" } })));
assert.equal((await decided("official-0003")).state, "ABORTED");
const unknown = await client.payment.create(token, payment("official-0004", { customer: { phoneNumber: "4799999901" } }));
assert.equal(unknown.ok, false);
assert.equal(unknown.error.extraDetails[0].reason, "7010");

// Webhooks.
const events = ["epayments.payment.captured.v1", "epayments.payment.aborted.v1"];
const hook = data(await client.webhook.register(token, { url: "http://127.0.0.1:9/hook", events }));
assert.ok(hook.secret.length > 20);
const listed = data(await client.webhook.list(token));
assert.deepEqual(listed.webhooks.map(({ id, url }) => [id, url]), [[hook.id, "http://127.0.0.1:9/hook"]]);
assert.deepEqual(listed.webhooks[0].events.sort(), events.sort());
data(await client.webhook.delete(token, hook.id));
assert.deepEqual(data(await client.webhook.list(token)).webhooks, []);

console.log("official sdk: done");
