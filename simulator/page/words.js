// Money, time, and what became of a payment, in words.

const formats = new Map();

export function money(minor, currency) {
  if (!formats.has(currency)) {
    formats.set(currency, new Intl.NumberFormat('en', { style: 'currency', currency, currencyDisplay: 'code' }));
  }
  return formats.get(currency).format(minor / 100);
}

export const plain = (minor) => (minor / 100).toLocaleString('en', { minimumFractionDigits: 2, maximumFractionDigits: 2 });

const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' });
const seconds = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const day = new Intl.DateTimeFormat('en-GB', { weekday: 'long', day: 'numeric', month: 'long' });
const short = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' });

export const hourOf = (ms) => clock.format(ms);
export const secondOf = (ms) => seconds.format(ms);
export const dayOf = (ms) => day.format(ms);
export const momentOf = (ms) => short.format(ms);

export function left(ms) {
  const whole = Math.max(0, Math.ceil(ms / 1000));
  const [days, hours] = [Math.floor(whole / 86400), Math.floor(whole / 3600)];
  if (days > 1) return `${days} days`;
  if (hours > 0) return `${hours} h ${Math.floor((whole % 3600) / 60)} min`;
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`;
}

export function ago(ms) {
  const minutes = Math.floor(ms / 60000);
  return minutes < 1 ? 'now' : minutes < 60 ? `${minutes} min ago` : `${Math.floor(minutes / 60)} h ago`;
}

export const digits = (masked) => `••\u2009${masked.replace(/\*/g, '')}`;

const FAILURES = {
  'card-refused': 'The bank has refused this card.',
  'insufficient-funds': 'There is not enough money on this card.',
};

export const failure = (why) => FAILURES[why] ?? 'This card does not do.';

// Of a payment: the kind (for colour and drawing), a word, and a sentence.
export function outcome(p) {
  const sum = (minor) => money(minor, p.currency);
  switch (p.state) {
    case 'CREATED':
      return p.approving
        ? { kind: 'wait', word: 'Approving', text: 'It is being approved.' }
        : { kind: 'wait', word: 'Waiting', text: 'It waits for an answer.' };
    case 'ABORTED':
      return { kind: 'off', word: 'Declined', text: 'You have declined. Nothing was charged.' };
    case 'EXPIRED':
      return { kind: 'off', word: 'Expired', text: 'Nobody answered in time. Nothing was charged.' };
    case 'TERMINATED':
      return { kind: 'off', word: 'Cancelled', text: 'The merchant has withdrawn the request. Nothing was charged.' };
  }
  const open = p.authorized - p.captured - p.cancelled;
  if (p.refunded > 0 && p.refunded === p.captured) {
    return { kind: 'back', word: 'Refunded', text: `All of it, ${sum(p.refunded)}, was paid back.` };
  }
  if (p.refunded > 0) return { kind: 'back', word: 'Partly refunded', text: `${sum(p.refunded)} was paid back.` };
  if (p.captured === 0 && open === 0) {
    return { kind: 'off', word: 'Cancelled', text: 'The merchant has released the money. Nothing was charged.' };
  }
  if (p.captured === 0) {
    return { kind: 'good', word: 'Reserved', text: `${sum(open)} is reserved. The merchant has not taken it yet.` };
  }
  if (open > 0) return { kind: 'good', word: 'Partly paid', text: `${sum(p.captured)} is paid, ${sum(open)} still reserved.` };
  const rest = p.cancelled > 0 ? ` ${sum(p.cancelled)} was released.` : '';
  return { kind: 'good', word: 'Paid', text: `${sum(p.captured)} is paid.${rest}` };
}

const EVENTS = {
  CREATED: 'Asked',
  AUTHORIZED: 'Approved, reserved',
  CAPTURED: 'Paid',
  CANCELLED: 'Released',
  REFUNDED: 'Paid back',
  ABORTED: 'Declined',
  EXPIRED: 'Expired',
  TERMINATED: 'Withdrawn by the merchant',
};

export const eventWord = (name) => EVENTS[name] ?? name;
