// @vippsno/vipps-sdk, the official SDK before the present one. It repeats what fails, with the same idempotency key.

import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import vipps_sdk from "@vippsno/vipps-sdk";

const { ePayment } = new vipps_sdk({
  clientId: "sim-client-id",
  clientSecret: "sim-client-secret",
  subscriptionKey: "sim-subscription-key",
  merchantSerialNumber: "123456",
  useTestMode: true,
});

const amount = (value) => ({ currency: "NOK", value });

async function create(reference) {
  const created = await ePayment.createPayment({
    amount: amount(24900),
    paymentMethod: { type: "WALLET" },
    customer: { phoneNumber: "4791234567" },
    customerInteraction: "CUSTOMER_PRESENT",
    reference,
    userFlow: "PUSH_MESSAGE",
    paymentDescription: "Taxi ride",
  });
  assert.equal(created.reference, reference);
}

async function approved(reference) {
  for (;;) {
    const payment = await ePayment.getPayment(reference);
    if (payment.state === "AUTHORIZED") return payment;
    assert.equal(payment.state, "CREATED");
    await sleep(100);
  }
}

// A ride. The simulator carries out the capture and loses the answer; the client asks again.
await create("former-0001");
await approved("former-0001");
await ePayment.capturePayment("former-0001", { modificationAmount: amount(24900) });
await ePayment.refundPayment("former-0001", { modificationAmount: amount(4900) });
const { aggregate } = await ePayment.getPayment("former-0001");
assert.deepEqual([aggregate.capturedAmount.value, aggregate.refundedAmount.value], [24900, 4900]);
const events = await ePayment.getPaymentEventLog("former-0001");
assert.deepEqual(events.map((event) => event.name).sort(), ["AUTHORIZED", "CAPTURED", "CREATED", "REFUNDED"]);

// Given up before the passenger has decided.
await create("former-0002");
await ePayment.cancelPayment("former-0002");
assert.equal((await ePayment.getPayment("former-0002")).state, "TERMINATED");

console.log("former sdk: done");
